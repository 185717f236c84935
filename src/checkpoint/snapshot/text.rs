//! Texts and attributes as HDF5 keeps them.

use hdf5::types::VarLenUnicode;
use hdf5::{Group, H5Type, Location, Result};

/// A text for HDF5, which ends texts at the first NUL: a NUL becomes U+FFFD.
pub(super) fn unicode(text: &str) -> VarLenUnicode {
    let parsed = if text.contains('\0') { text.replace('\0', "\u{fffd}").parse() } else { text.parse() };
    parsed.unwrap_or_default()
}

pub(super) fn put_attribute<T: H5Type>(at: &Location, name: &str, value: &T) -> Result<()> {
    at.new_attr::<T>().create(name)?.write_scalar(value)
}

pub(super) fn put_text(at: &Location, name: &str, text: &str) -> Result<()> {
    put_attribute(at, name, &unicode(text))
}

pub(super) fn put_texts<'a>(at: &Location, name: &str, texts: impl Iterator<Item = &'a str>) -> Result<()> {
    let texts: Vec<VarLenUnicode> = texts.map(unicode).collect();
    let attribute = at.new_attr::<VarLenUnicode>().shape(texts.len()).create(name)?;
    if texts.is_empty() { Ok(()) } else { attribute.write_raw(&texts) }
}

pub(super) fn attribute<T: H5Type>(at: &Location, name: &str) -> Result<T> {
    at.attr(name)?.read_scalar()
}

pub(super) fn text(at: &Location, name: &str) -> Result<String> {
    Ok(attribute::<VarLenUnicode>(at, name)?.as_str().to_owned())
}

pub(super) fn texts(at: &Location, name: &str) -> Result<Vec<String>> {
    let attribute = at.attr(name)?;
    if attribute.size() == 0 {
        return Ok(Vec::new());
    }
    Ok(attribute.read_raw::<VarLenUnicode>()?.iter().map(|t| t.as_str().to_owned()).collect())
}

pub(super) fn has(group: &Group, name: &str) -> bool {
    group.link_exists(name)
}
