//! `gpus = 2`: which devices a worker may use, by its place on its host. Pure.

/// The variables that tell programs which devices they see: NVIDIA's and AMD's.
pub(super) const VARIABLES: [&str; 2] = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"];

/// The devices of a worker, as a list for such a variable: `gpus` of them for each worker of a host, which is counted from 0.
///
/// `visible` is what the batch system has set already: only its devices are dealt out, whatever their names. Without
/// it, they are numbers from 0. Where workers want more than there are, they share, in turns.
pub fn devices(visible: Option<&str>, gpus: u32, worker: u32) -> String {
    let first = u64::from(gpus) * u64::from(worker);
    let wanted = first..first + u64::from(gpus);
    let known: Vec<&str> =
        visible.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let mut names: Vec<String> = Vec::new();
    for number in wanted {
        let name = match known.len() as u64 {
            0 => number.to_string(),
            n => known[(number % n) as usize].to_owned(),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(",")
}

/// The variables of a worker, given those of its process.
pub fn variables(
    gpus: u32,
    worker: u32,
    of_process: impl Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let variable = |name: &&str| {
        let list = devices(of_process(name).as_deref(), gpus, worker);
        ((*name).to_owned(), list)
    };
    if gpus == 0 { Vec::new() } else { VARIABLES.iter().map(variable).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_of_a_host_gets_devices_of_its_own() {
        assert_eq!([0, 1, 2].map(|worker| devices(None, 1, worker)), ["0", "1", "2"]);
        assert_eq!([0, 1].map(|worker| devices(None, 2, worker)), ["0,1", "2,3"]);
    }

    #[test]
    fn what_the_batch_system_allows_is_dealt_out_and_shared_if_it_is_too_little() {
        let four = Some("GPU-a, GPU-b,4,MIG-7");
        assert_eq!(
            [0, 1, 2].map(|worker| devices(four, 2, worker)),
            ["GPU-a,GPU-b", "4,MIG-7", "GPU-a,GPU-b"]
        );
        assert_eq!(devices(Some("5"), 3, 1), "5", "no device twice");
        assert_eq!(devices(Some(""), 1, 3), "3");
    }

    #[test]
    fn both_makers_variables_are_set_each_from_its_own_list() {
        let of_process = |name: &str| (name == "CUDA_VISIBLE_DEVICES").then(|| "6,7".to_owned());
        let set = variables(1, 1, of_process);
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(set, [text("CUDA_VISIBLE_DEVICES", "7"), text("ROCR_VISIBLE_DEVICES", "1")]);
        assert!(variables(0, 1, of_process).is_empty());
    }
}
