//! The functions of the examples: their settings as they stand in the study files, and values that are known.

use super::{Study, compile};
use adaptive_mpi::function::{self, Call, Context, Function};
use adaptive_mpi::model::settings::{Setting, SettingValue, Table};
use adaptive_mpi::model::{Parameter, Parameters, Point, Signature, Value};
use std::path::{Path, PathBuf};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

fn setting(value: &toml::Value) -> Setting {
    let value = match value {
        toml::Value::String(text) => SettingValue::Text(text.clone()),
        toml::Value::Integer(i) => SettingValue::Integer(*i),
        toml::Value::Float(x) => SettingValue::Float(*x),
        toml::Value::Boolean(b) => SettingValue::Bool(*b),
        toml::Value::Datetime(time) => SettingValue::Datetime(time.to_string()),
        toml::Value::Array(items) => SettingValue::List(items.iter().map(setting).collect()),
        toml::Value::Table(entries) => SettingValue::Table(table(entries)),
    };
    Setting { value, span: 0..0 }
}

fn table(entries: &toml::Table) -> Table {
    let mut table = Table::new("function");
    for (key, value) in entries {
        table.push(key.clone(), 0..0, setting(value));
    }
    table
}

struct Example {
    function: Box<dyn Function>,
    parameters: Parameters,
}

impl Example {
    /// The function of `adaptive.toml`, started in `folder`.
    fn start(
        name: &str,
        folder: &Path,
        parameters: &[(&str, f64)],
        change: impl Fn(&mut toml::Table),
    ) -> Self {
        let study = std::fs::read_to_string(example(name).join("adaptive.toml")).unwrap();
        let study: toml::Table = study.parse().unwrap();
        let known = study["parameters"].as_table().unwrap();
        assert!(parameters.iter().all(|(name, _)| known.contains_key(*name)));
        let mut settings = study["function"].as_table().unwrap().clone();
        change(&mut settings);
        let context = Context {
            folder: folder.to_owned(),
            signature: Signature::line(),
            parameter_names: parameters.iter().map(|(name, _)| (*name).to_owned()).collect(),
            ..Context::default()
        };
        let spec = function::from_settings(&table(&settings), &context).unwrap();
        assert_eq!(spec.check(), Vec::<String>::new());
        let parameters = parameters.iter().map(|(name, x)| ((*name).to_owned(), Parameter::Float(*x)));
        Self { function: spec.start().unwrap(), parameters: Parameters(parameters.collect()) }
    }

    fn at(&mut self, x: f64) -> Value {
        let signature = Signature::line();
        let point = Point::scalar(x);
        let call = Call { point: &point, replica: 0, parameters: &self.parameters, signature: &signature };
        self.function.evaluate(&call).unwrap_or_else(|failure| panic!("{failure}\n{}", failure.detail))
    }
}

#[test]
fn the_cavity_lets_all_light_through_on_resonance_and_little_beside_it() {
    let python = super::python::interpreter();
    let numpy = std::process::Command::new(python).args(["-c", "import numpy"]).output().unwrap();
    if !numpy.status.success() {
        println!("skipped: {python} has no numpy");
        return;
    }
    let folder = example("python");
    let mut cavity = Example::start("python", &folder, &[("high_index", 2.3)], |settings| {
        settings.insert("python_executable".into(), python.into());
    });
    approx::assert_relative_eq!(cavity.at(1.0).y(), 1.0, epsilon = 1e-9);
    assert!(cavity.at(1.01).y() < 0.01);
}

#[test]
fn the_filter_passes_low_frequencies_and_blocks_high_ones() {
    let mut filter = Example::start("ngspice", &example("ngspice"), &[("quality", 1e6)], |_| {});
    let low = filter.at(2.0);
    assert_eq!(low.detail.as_ref().unwrap().names, ["gain", "phase"]);
    assert!(low.y().abs() < 0.5, "{low:?}");
    // The edge of the band is where the ripple of 0.5 dB is left for good.
    approx::assert_relative_eq!(filter.at(3.0).y(), -0.5, epsilon = 0.02);
    assert!(filter.at(4.0).y() < -90.0);
}

#[test]
fn the_pendulum_in_c_and_fortran_has_the_known_period() {
    for (compiler, source, library) in [("gcc", "model.c", "-lm"), ("gfortran", "model.f90", "-O2")] {
        let build = Study::new();
        let source = example("library").join(source);
        let arguments = ["-O2", "-shared", "-fPIC", "-o", "libmodel.so", source.to_str().unwrap(), library];
        compile(compiler, &arguments, build.folder.path());
        let mut pendulum = Example::start("library", build.folder.path(), &[("precision", 1e-14)], |_| {});
        assert_eq!(pendulum.at(0.0).y(), 1.0);
        // 2 K(1/sqrt 2) / pi, for an amplitude of a right angle.
        approx::assert_relative_eq!(
            pendulum.at(std::f64::consts::FRAC_PI_2).y(),
            1.180_340_599_016_096_3,
            epsilon = 1e-14
        );
    }
}

#[test]
fn the_oscillator_has_the_amplitude_of_theory() {
    let mut oscillator = Example::start("program", &example("program"), &[("damping", 0.5)], |_| {});
    for frequency in [0.5, 1.0, 2.0f64] {
        let theory = 1.0 / ((1.0 - frequency * frequency).powi(2) + (0.5 * frequency).powi(2)).sqrt();
        approx::assert_relative_eq!(oscillator.at(frequency).y(), theory, max_relative = 5e-3);
    }
}
