//! A study: what one TOML file describes.
