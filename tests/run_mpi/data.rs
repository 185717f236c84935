//! Files that rank 0 reads once, and every node has for itself.

use crate::machine;
use crate::study_run::Folder;
use std::collections::BTreeSet;
use std::path::Path;

const STUDY: &str = "[function]\npython = 'model.py:h'\ndata = ['tables/large.bin', 'tables/empty', 'tables/name with space']\n\
                     [learner]\ntype = 'sequence'\nsequence = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n[run]\nretries = 0\n";

/// Reads at import what is there only after MPI has come, and leaves a note of where that was.
const MODEL: &str = "import hashlib, os, time\nFOLDER = os.environ['ADAPTIVE_MPI_DATA']\n\
                     DATA = open(f'{FOLDER}/large.bin', 'rb').read()\nassert open(f'{FOLDER}/empty').read() == ''\n\
                     assert open(f'{FOLDER}/name with space').read() == 'short'\n\
                     print(hashlib.sha256(DATA).hexdigest(), file=open(f'seen-{os.getpid()}', 'w'))\n\
                     print(FOLDER, file=open(f'place-{os.getpid()}', 'w'))\n\
                     def h(x):\n    time.sleep(0.05)\n    return len(DATA) + x\n";

fn folder() -> (Folder, usize) {
    let folder = Folder::new(STUDY);
    folder.write("model.py", MODEL);
    std::fs::create_dir(folder.file("tables")).unwrap();
    // More than two chunks, and no whole number of them.
    let large: Vec<u8> =
        (0..(33u32 << 20) + 5).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    folder.write("tables/large.bin", &large);
    folder.write("tables/empty", "");
    folder.write("tables/name with space", "short");
    (folder, large.len())
}

/// What the processes of the function have noted down.
fn notes(folder: &Folder, prefix: &str) -> Vec<String> {
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap()).filter(|name| name.starts_with(prefix));
    names.map(|name| folder.text(&name).trim().to_owned()).collect()
}

#[test]
fn every_node_has_copies_of_its_own_which_go_with_the_run() {
    let _machine = machine();
    for (ranks, node_size, nodes) in [(3, "8", 1), (5, "2", 3)] {
        let (folder, length) = folder();
        folder.ranks(ranks, &["run", "--quiet"]).env("ADAPTIVE_MPI_NODE_SIZE", node_size).end().expect(0);
        assert!(folder.rows().iter().all(|row| row.values == [length as f64 + row.point[0]]));
        let places: BTreeSet<_> = notes(&folder, "place-").into_iter().collect();
        assert_eq!((notes(&folder, "place-").len(), places.len()), (ranks as usize - 1, nodes), "{places:?}");
        let distinct: BTreeSet<_> = notes(&folder, "seen-").into_iter().collect();
        assert_eq!(distinct.len(), 1, "all read the same");
        for place in places {
            assert!(
                !Path::new(&place).exists() && !place.starts_with(&*folder.path().to_string_lossy()),
                "{place}"
            );
        }
    }
}

#[test]
fn without_mpi_the_files_are_read_where_they_are() {
    let _machine = machine();
    let (folder, length) = folder();
    folder.run(0, &["--quiet", "--workers", "2"]);
    assert!(folder.rows().iter().all(|row| row.values == [length as f64 + row.point[0]]));
    let own = std::fs::canonicalize(folder.file("tables")).unwrap();
    let places = notes(&folder, "place-");
    assert!(places.iter().all(|place| std::fs::canonicalize(place).unwrap() == own), "{places:?}");
    // The name of the folder is in the environment of a command, too.
    folder.write(
        "adaptive.toml",
        STUDY.replace(
            "python = 'model.py:h'",
            "command = ['sh', '-c', 'wc -c <$ADAPTIVE_MPI_DATA/large.bin']",
        ),
    );
    std::fs::remove_dir_all(folder.file("data")).unwrap();
    folder.ranks(2, &["run", "--quiet"]).end().expect(0);
    assert!(folder.rows().iter().all(|row| row.values == [length as f64]));
}

#[test]
fn a_file_that_is_missing_ends_the_run_at_once_with_its_name() {
    let _machine = machine();
    let (folder, _) = folder();
    std::fs::remove_file(folder.file("tables/empty")).unwrap();
    folder.command(&["check"]).end().expect(2).says("tables/empty is missing");
    folder.command(&["run", "--workers", "2"]).end().expect(2).says("tables/empty");
    // The ranks leave without finalising, and MPICH's launcher says of that what it likes.
    folder.ranks(4, &["run"]).end().says("the data `data` could not be read").says("tables/empty");
    assert!(!folder.file("data/adaptive.h5").exists(), "nothing was begun");
}
