use super::{Study, compile, list, settings, text};
use adaptive_mpi::function;
use adaptive_mpi::model::settings::SettingValue;
use adaptive_mpi::model::{FailureKind, Parameter};

pub(super) const MODEL: &str = r#"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int model(const double *x, size_t nx, const double *p, size_t np, uint64_t seed, double *y, size_t ny) {
    printf("noise on standard output\n");
    fflush(stdout);
    if (x[0] < -1) return 3;
    if (x[0] > 100) *(volatile int *)0 = 1;
    if (x[0] > 10) for (;;) ;
    y[0] = x[0] * x[0] + (np > 0 ? p[0] : 0) + (double)seed;
    if (ny > 1) y[1] = (double)nx;
    return 0;
}

const char *model_error(void) { return "x is too small"; }

int threads(const double *x, size_t nx, const double *p, size_t np, uint64_t seed, double *y, size_t ny) {
    const char *n = getenv("OMP_NUM_THREADS");
    y[0] = n ? atof(n) : 0;
    return 0;
}
"#;

const FORTRAN: &str = "
integer(c_int) function model(x, nx, parameters, np, seed, y, ny) bind(c)
  use iso_c_binding
  integer(c_size_t), value :: nx, np, ny
  integer(c_int64_t), value :: seed
  real(c_double) :: x(nx), parameters(np), y(ny)
  y(1) = sum(x**2) + parameters(1)
  model = 0
end function
";

pub(super) fn study() -> Study {
    let study = Study::new().file("model.c", MODEL);
    compile("gcc", &["-O1", "-shared", "-fPIC", "-o", "libmodel.so", "model.c"], study.folder.path());
    study
}

#[test]
fn a_function_in_c_is_called() {
    let study = study().with_signature(&["x"], true, true);
    let settings =
        settings(&[("library", text("libmodel.so:model")), ("outputs", list(&["energy", "n", "rest"]))]);
    let value = study.start(settings).at_seed(&[3.0], 2).unwrap();
    assert_eq!(value.components[..2], [11.5, 1.0]);
    assert!(value.components[2].is_nan(), "what the function leaves out is not a number");
    assert_eq!(value.detail.unwrap().names, ["energy", "n", "rest"]);
}

#[test]
fn a_status_is_an_error_with_the_librarys_words() {
    let study = study();
    let failure = study.start(settings(&[("library", text("libmodel.so:model"))])).at(&[-2.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Error);
    assert_eq!(failure.message, "model returned 3: x is too small");
}

#[test]
fn a_function_in_fortran_is_called() {
    let study = Study::new().file("model.f90", FORTRAN).with_signature(&["x", "y"], false, false);
    compile("gfortran", &["-shared", "-fPIC", "-o", "libmodel.so", "model.f90"], study.folder.path());
    let settings = settings(&[("library", text("./libmodel.so:model"))]);
    assert_eq!(study.start(settings).at(&[3.0, 4.0]).unwrap().y(), 25.5);
}

#[test]
fn missing_libraries_and_functions_are_found_by_check_and_at_the_start() {
    let study = study();
    for (target, problem) in [
        ("libnothing-of-ours.so:model", "can't load the library"),
        ("./libnothing.so:model", "can't load the library"),
        ("libmodel.so:modle", "has no function `modle`"),
    ] {
        let spec = study.spec(settings(&[("library", text(target))]));
        assert!(spec.check()[0].contains(problem), "{target}");
        assert_eq!(spec.start().err().unwrap().kind, FailureKind::Setup);
    }
    for bad in [("library", text("libmodel.so")), ("outputs", SettingValue::Integer(0))] {
        let mut table = settings(&[bad]);
        if table.get("library").is_none() {
            table = table.with("library", text("libmodel.so:model"));
        }
        assert!(function::from_settings(&table, &study.context()).is_err());
    }
}

#[test]
fn a_text_parameter_is_refused() {
    let mut study = study();
    study.parameters.0[0].1 = Parameter::Text("te".into());
    let failure = study.start(settings(&[("library", text("libmodel.so:model"))])).at(&[1.0]).unwrap_err();
    assert_eq!(failure.message, "the parameter offset is the text \"te\", not a number");
}

#[test]
fn an_initialiser_runs_once_when_the_library_is_loaded() {
    let source = "#include <stddef.h>\n#include <stdint.h>\nstatic int calls = 0;\nint prepare(void) { calls++; return 0; }\n\
                  int fail(void) { return 5; }\n\
                  int model(const double *x, size_t nx, const double *p, size_t np, uint64_t seed, double *y, size_t ny) {\n\
                    y[0] = x[0] + 10 * calls;\n  return 0;\n}\n";
    let study = Study::new().file("model.c", source);
    compile("gcc", &["-shared", "-fPIC", "-o", "libmodel.so", "model.c"], study.folder.path());
    let with = |init| settings(&[("library", text("libmodel.so:model")), ("init", text(init))]);
    assert!(study.spec(with("prepare")).check().is_empty(), "a check loads, but runs nothing");
    let mut started = study.start(with("prepare"));
    assert_eq!((started.y(0.0), started.y(1.0)), (10.0, 11.0));
    let failure = study.spec(with("fail")).start().err().unwrap();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Setup, "fail returned 5 (function.init)")
    );
    assert!(study.spec(with("prepair")).check()[0].contains("no function `prepair` (function.init)"));
}
