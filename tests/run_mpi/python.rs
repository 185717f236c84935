//! Python functions that several ranks evaluate together, by mpi4py. `PYTHONPATH` has to lead to an mpi4py for this MPI
//! (`scripts/mpi4py`).

use crate::machine;
use crate::study_run::{Folder, is_mpich};

const STUDY: &str = "[function]\npython = 'model.py:h'\nranks = 2\nthreads = 3\n[parameters]\nscale = [2.0]\n[learner]\n\
                     type = 'sequence'\nsequence = [0, 1, 2, 3, 4, 5]\n[run]\nretries = 0\n";

fn folder(model: &str) -> Folder {
    let folder = Folder::new(STUDY);
    folder.write("model.py", model);
    folder
}

#[test]
fn a_function_adds_up_over_the_ranks_of_its_communicator() {
    let _machine = machine();
    let model = "import os\nfrom mpi4py import MPI\nopen('imported', 'w')\n\
                 def h(x, scale, comm):\n    print('harmless')\n    threads = int(os.environ['OMP_NUM_THREADS'])\n    \
                 total = comm.allreduce(scale * x * (comm.rank + 1))\n    \
                 return {'sum': total, 'size': comm.Get_size(), 'world': MPI.COMM_WORLD.size, 'threads': threads}\n";
    for (ranks, groups) in [(3, 1), (6, 2)] {
        let folder = folder(model);
        let ended =
            folder.ranks(ranks, &["run", "--json"]).end().expect(0).says("python model.py:h, on 2 ranks");
        assert_eq!(ended.json()["workers"], groups);
        let rows = folder.rows();
        assert_eq!(rows.len(), 6);
        for row in rows {
            let world = f64::from(ranks);
            assert_eq!(row.values, [6.0 * row.point[0], 2.0, world, 3.0]);
        }
        assert!(folder.file("imported").exists(), "the working folder is the study's");
    }
}

#[test]
fn an_exception_is_the_failure_of_its_point_with_its_traceback() {
    let _machine = machine();
    let model =
        "def h(x, scale, comm):\n    if x == 3:\n        raise ValueError('three is odd')\n    return x\n";
    let folder = folder(model);
    folder.ranks(3, &["run"]).end().expect(4);
    assert_eq!(folder.rows().len(), 5);
    let failures = folder.status()["failures"].clone();
    let text = failures.to_string();
    assert!(text.contains("ValueError: three is odd") && text.contains("model.py"), "{text}");
    assert_eq!(failures.as_array().unwrap().len(), 1, "{text}");
}

#[test]
fn what_can_not_be_loaded_says_why() {
    let _machine = machine();
    let folder = folder("def hh(x, scale, comm):\n    return x\n");
    folder.ranks(3, &["run"]).end().expect(2).says("has no 'h', did you mean 'hh'?");
    folder.command(&["check"]).end().expect(2).says("has no 'h', did you mean 'hh'?");
    folder.write("model.py", "def h(x, scale, comm):\n    return x\n");
    folder.command(&["check"]).end().expect(0);

    // Loading the library of another MPI into a process ends in crashes: it is looked at before.
    let other = if is_mpich() { "libmpi.so.40" } else { "libmpich.so.12" };
    std::fs::create_dir(folder.file("mpi4py")).unwrap();
    folder.write("mpi4py/__init__.py", "class rc: pass\n");
    folder.write("mpi4py/MPI.abi3.so", format!("\0{other}\0"));
    let place = folder.path().display().to_string();
    folder
        .ranks(3, &["run"])
        .env("PYTHONPATH", &place)
        .end()
        .expect(2)
        .says("build mpi4py with the same MPI");
}

#[test]
fn what_several_ranks_can_not_do_is_refused() {
    let folder = folder("def h(x, scale, comm):\n    return x\n");
    for (key, why) in [
        ("timeout = '1s'", "needs a process of its own"),
        ("python_executable = 'python3'", "set PYTHONPATH"),
    ] {
        folder.write("adaptive.toml", STUDY.replace("ranks = 2", &format!("ranks = 2\n{key}")));
        folder.command(&["check"]).end().expect(2).says(why);
    }
    folder.write("adaptive.toml", STUDY.replace("scale", "comm"));
    folder.command(&["check"]).end().expect(2).says("give the parameter another name");
}
