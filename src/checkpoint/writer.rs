use super::columns::{Chunks, Columns, Row};
use super::facts::unix_now;
use super::files::{Files, Part};
use super::journal::{FORMAT, Journal};
use super::load;
use super::lock::Lock;
use super::publish::{Job, Published, Work, publish};
use super::resume;
use super::snapshot::{self, Snapshot};
use super::sync::Syncer;
use super::{CheckpointError, Ended, Ending, Fact, Failed, Header, Loaded, Options, SyncPolicy, Told};
use crate::model::{Parameters, Sample};
use std::io;
use std::time::{Duration, Instant};

/// How often a writer looks whether the lock is still its own.
const LOCK_LOOK: Duration = Duration::from_secs(1);

/// The writer of a checkpoint, owned by rank 0.
///
/// [`append`](Self::append) facts as they come, [`commit`](Self::commit) before anything is done that
/// depends on them, and [`tick`](Self::tick) now and then. Dropping it without [`close`](Self::close)
/// commits what was appended and releases the lock, but writes no snapshot.
pub struct Checkpoint {
    files: Files,
    options: Options,
    header: Header,
    columns: Columns,
    failures: Chunks<(u64, Failed)>,
    /// Values that wait for their turn to be told.
    early: Vec<Told>,
    journal: Journal,
    /// `NAME.journal.old` may not be replaced any more: a rotation went wrong half way.
    rotation_stuck: bool,
    /// Number of facts in the generations on disk.
    published: Published,
    generation: u64,
    job: Option<Job>,
    next_snapshot: Option<Instant>,
    syncer: Syncer,
    last_sync: Instant,
    /// The journal has something that no sync was asked for.
    unsynced: bool,
    stats: Stats,
    lock_seen: Instant,
    /// Another run has the lock now.
    lost: bool,
    // Last, so that it is released after all else.
    lock: Lock,
}

/// Figures about a [`Checkpoint`], since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Facts appended.
    pub appended: u64,
    /// Commits that had something to write.
    pub commits: u64,
    /// Snapshots written.
    pub snapshots: u64,
    /// Snapshots that went wrong.
    pub snapshots_failed: u64,
    /// Time that rank 0 spent in commits and ticks.
    pub time: Duration,
    /// The longest single commit or tick.
    pub longest: Duration,
    /// Time that background threads spent writing snapshots.
    pub background: Duration,
    /// Bytes in the journal now.
    pub journal_bytes: u64,
}

impl Checkpoint {
    /// Opens a checkpoint: takes its lock, reads what is there, cuts a torn tail, sets aside files that
    /// can't be read, and begins a journal if there is none.
    ///
    /// # Errors
    /// Another run holds it; facts are lost and [`Options::accept_losses`] is off; a file is of a newer
    /// format; the folder can't be written. Nothing is changed then.
    pub fn open(options: &Options) -> Result<(Self, Loaded), CheckpointError> {
        Self::open_files(options, Files::new(&options.folder, &options.name))
    }

    pub(super) fn open_files(options: &Options, files: Files) -> Result<(Self, Loaded), CheckpointError> {
        if options.name.is_empty() || options.name.contains(['/', '\0']) {
            let error =
                io::Error::new(io::ErrorKind::InvalidInput, "a name can't be empty or contain a slash");
            return Err(CheckpointError::not_saved("use the name of", &files.path(Part::Journal))(error));
        }
        files.create_folder().map_err(CheckpointError::not_saved("make the folder", files.folder()))?;
        let mut notices = Vec::new();
        let lock = Lock::acquire(&files, options.break_lock, &mut notices)?;
        let mut found = load::load(&files)?;
        let options = Options { header: options.header.clone().normalised(), ..options.clone() };
        resume::refuse(&options, &files, &found)?;
        found.notices.splice(0..0, notices);
        let changed = |error| CheckpointError::not_saved("prepare", files.folder())(error);
        resume::set_aside(&files, &mut found).map_err(changed)?;
        let header = resume::merged(options.header.clone(), &found);
        let mut journal = resume::journal(&files, &mut found, &header).map_err(changed)?;
        if found.ended.is_some() || found.header.as_ref() != Some(&header) {
            // At once: whatever becomes of this run, the end of the one before is not its own.
            journal.header(found.len(), &header);
            journal.commit(&files).map_err(changed)?;
        }
        let syncer = Syncer::start(&files).map_err(changed)?;
        syncer.file(journal.file());
        syncer.folder();
        let mut loaded = found.loaded(&files);
        loaded.columns = found.columns.share();
        let checkpoint = Self {
            options,
            header,
            columns: found.columns,
            failures: found.failures,
            early: found.early,
            journal,
            rotation_stuck: false,
            published: Published { newest: found.snapshot, old: found.snapshot_old },
            generation: found.generation,
            job: None,
            next_snapshot: None,
            syncer,
            last_sync: Instant::now(),
            unsynced: false,
            stats: Stats::default(),
            files,
            lock,
            lock_seen: Instant::now(),
            lost: false,
        };
        Ok((checkpoint, loaded))
    }

    /// Takes a fact: O(1), in memory only until the next [`commit`](Self::commit).
    pub fn append(&mut self, fact: &Fact) {
        let sequence = self.len() as u64;
        let sample = fact.sample();
        load::no_longer_early(&mut self.early, sample.learner, sample.replica, &sample.point);
        match fact {
            Fact::Told(told) => {
                self.decide_outputs(told);
                self.journal.told(sequence, &Row::from(told));
                self.columns.push(told);
            }
            Fact::Failed(failed) => {
                self.journal.failed(sequence, failed);
                self.failures.push((sequence, failed.clone()));
            }
        }
        self.stats.appended += 1;
    }

    /// Keeps the names of outputs, which stand in the header alone.
    fn note_outputs(&mut self, told: &Told) {
        if self.header.outputs.is_empty() {
            self.set_outputs(told);
        }
    }

    /// As [`Self::note_outputs`], for the first value that is told: its names count, and not those of a value that only came
    /// before it. What waits is written again under them.
    fn decide_outputs(&mut self, told: &Told) {
        let names = told.value.detail.as_ref().map_or(&[][..], |detail| &detail.names);
        if !self.columns.is_empty() || names.is_empty() || self.header.outputs == names {
            return self.note_outputs(told);
        }
        self.set_outputs(told);
        for told in std::mem::take(&mut self.early) {
            self.append_early(&told);
        }
    }

    fn set_outputs(&mut self, told: &Told) {
        if let Some(detail) = &told.value.detail
            && !detail.names.is_empty()
        {
            self.header.outputs.clone_from(&detail.names);
            self.header = std::mem::take(&mut self.header).normalised();
            self.journal.header(self.len() as u64, &self.header);
        }
    }

    /// More learners, behind those that are there. Writes all of them: better many at once than one by one. In memory
    /// only until the next [`commit`](Self::commit).
    pub fn add_learners(&mut self, parameters: Vec<Parameters>) {
        self.header.learners.extend(parameters);
        self.header = std::mem::take(&mut self.header).normalised();
        self.journal.header(self.len() as u64, &self.header);
    }

    /// Takes a value that is told later, when its turn comes, by [`append`](Self::append): until then a reader finds
    /// it in [`Loaded::early`]. As `append`, in memory only until the next [`commit`](Self::commit). One whose outputs are
    /// not those of the others is not kept: it won't be told either.
    pub fn append_early(&mut self, told: &Told) {
        self.note_outputs(told);
        let mut told = told.clone();
        if told.value.arrange(&self.header.outputs) {
            self.journal.early(self.len() as u64, &Row::from(&told));
            self.early.push(told);
        }
    }

    /// Hands all appended facts to the system: from then on the death of any process does not lose them.
    ///
    /// # Errors
    /// [`CheckpointError::NotSaved`]: the facts stay in memory, and the next commit tries again.
    pub fn commit(&mut self) -> Result<(), CheckpointError> {
        let started = Instant::now();
        let result = self.commit_at(started);
        self.note_time(started);
        result
    }

    /// Another run that took the lock over writes now: from then on nothing of ours may reach the files.
    fn hold_lock(&mut self, now: Instant) -> Result<(), CheckpointError> {
        if now.saturating_duration_since(self.lock_seen) >= LOCK_LOOK {
            self.lock_seen = now;
            self.lost |= !self.lock.is_ours();
        }
        if self.lost { Err(CheckpointError::LockLost { path: self.lock.path().to_owned() }) } else { Ok(()) }
    }

    fn commit_at(&mut self, now: Instant) -> Result<(), CheckpointError> {
        self.hold_lock(now)?;
        let path = || self.files.path(Part::Journal);
        if self.journal.is_dirty() {
            self.journal.commit(&self.files).map_err(CheckpointError::not_saved("write", &path()))?;
            self.stats.commits += 1;
            self.unsynced = true;
            if self.options.sync == SyncPolicy::Always {
                let synced = self.files.sync(&self.journal.file());
                synced.map_err(CheckpointError::not_saved("put on disk", &path()))?;
                self.unsynced = false;
            }
        }
        self.sync_if_due(now)
    }

    fn sync_if_due(&mut self, now: Instant) -> Result<(), CheckpointError> {
        if let SyncPolicy::Every(interval) = self.options.sync
            && self.unsynced
            && now.saturating_duration_since(self.last_sync) >= interval
            && self.syncer.is_idle()
        {
            self.syncer.file(self.journal.file());
            self.last_sync = now;
            self.unsynced = false;
        }
        match self.syncer.error() {
            Some(error) => {
                Err(CheckpointError::not_saved("put on disk", &self.files.path(Part::Journal))(error))
            }
            None => Ok(()),
        }
    }

    /// Keeps the files up: syncs the journal when due, takes note of a finished snapshot, and starts the
    /// next one in the background when the interval is over and something is new.
    ///
    /// # Errors
    /// [`CheckpointError::Snapshot`] is a warning, told once per failed snapshot: see
    /// [`CheckpointError::results_are_safe`]. All others are serious.
    pub fn tick(&mut self, now: Instant, in_flight: &dyn Fn() -> Vec<Sample>) -> Result<(), CheckpointError> {
        let started = Instant::now();
        let result = self.tick_at(now, in_flight);
        self.note_time(started);
        result
    }

    fn tick_at(&mut self, now: Instant, in_flight: &dyn Fn() -> Vec<Sample>) -> Result<(), CheckpointError> {
        self.hold_lock(now)?;
        self.sync_if_due(now)?;
        if self.job.as_ref().is_some_and(Job::is_finished) {
            self.collect()?;
        }
        let due = *self.next_snapshot.get_or_insert(now + self.options.interval);
        if now < due || self.job.is_some() || !snapshot::AVAILABLE {
            return Ok(());
        }
        self.next_snapshot = Some(now + self.options.interval);
        if self.published.newest == Some(self.len() as u64) || self.is_empty() {
            return Ok(());
        }
        let work = self.begin_snapshot(in_flight(), None)?;
        let job = Job::start(work);
        self.job = Some(job.map_err(|error| self.snapshot_error(error.to_string()))?);
        Ok(())
    }

    /// Has the next [`tick`](Self::tick) begin a snapshot.
    pub fn snapshot_soon(&mut self) {
        self.next_snapshot = Some(Instant::now());
    }

    /// Writes a snapshot now and waits for it.
    ///
    /// # Errors
    /// As [`tick`](Self::tick).
    pub fn snapshot_now(&mut self, in_flight: Vec<Sample>) -> Result<(), CheckpointError> {
        self.snapshot_with(in_flight, None)
    }

    fn snapshot_with(&mut self, in_flight: Vec<Sample>, ended: Option<Ended>) -> Result<(), CheckpointError> {
        // An older snapshot that failed no longer matters if this one succeeds.
        let _ = self.collect();
        self.commit_at(Instant::now())?;
        if !snapshot::AVAILABLE {
            return Ok(());
        }
        let work = self.begin_snapshot(in_flight, ended)?;
        let started = Instant::now();
        let (published, result) = publish(&work);
        self.take_result(published, result, started.elapsed())
    }

    /// Writes the last snapshot, puts everything on disk and releases the lock.
    ///
    /// # Errors
    /// As [`tick`](Self::tick); the lock is released in any case.
    pub fn close(mut self, in_flight: Vec<Sample>, ending: Ending) -> Result<(), CheckpointError> {
        let ended = Ended { ending, at: unix_now() };
        self.hold_lock(Instant::now())?;
        let sequence = self.len() as u64;
        if let Err(error) = self.commit_at(Instant::now()) {
            self.journal.ended_without_buffered(&self.files, sequence, &ended);
            return Err(error);
        }
        self.journal.ended(sequence, &ended);
        self.commit_at(Instant::now())?;
        let synced = self.files.sync(&self.journal.file());
        synced.map_err(CheckpointError::not_saved("put on disk", &self.files.path(Part::Journal)))?;
        self.snapshot_with(in_flight, Some(ended))
    }

    /// Facts that are in memory only.
    pub fn unsaved(&self) -> u64 {
        self.journal.buffered_facts()
    }

    /// Number of facts, of all runs together.
    pub fn len(&self) -> usize {
        self.columns.len() + self.failures.len()
    }

    /// Whether there are no facts.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All told points. A clone of them shares their memory.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// What the files say about their run.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Memory per told point, in bytes.
    pub fn bytes_per_point(&self) -> f64 {
        self.columns.bytes() as f64 / self.columns.len().max(1) as f64
    }

    /// Figures since it was opened.
    pub fn stats(&self) -> Stats {
        Stats { journal_bytes: self.journal.bytes(), ..self.stats }
    }

    fn note_time(&mut self, started: Instant) {
        let time = started.elapsed();
        self.stats.time += time;
        self.stats.longest = self.stats.longest.max(time);
    }

    fn snapshot_error(&self, reason: String) -> CheckpointError {
        CheckpointError::Snapshot { path: self.files.path(Part::Snapshot), reason }
    }

    /// Waits for the snapshot in the background, if there is one.
    fn collect(&mut self) -> Result<(), CheckpointError> {
        let Some(job) = self.job.take() else { return Ok(()) };
        let (published, result, time) = job.join();
        self.take_result(published, result, time)
    }

    fn take_result(
        &mut self,
        published: Published,
        result: Result<(), String>,
        time: Duration,
    ) -> Result<(), CheckpointError> {
        self.published = published;
        self.stats.background += time;
        match result {
            Ok(()) => {
                self.stats.snapshots += 1;
                Ok(())
            }
            Err(reason) => {
                self.stats.snapshots_failed += 1;
                Err(self.snapshot_error(reason))
            }
        }
    }

    /// What a snapshot of this moment holds. The journal begins anew here where that is safe.
    fn begin_snapshot(
        &mut self,
        in_flight: Vec<Sample>,
        ended: Option<Ended>,
    ) -> Result<Work, CheckpointError> {
        self.lost |= !self.lock.is_ours();
        self.commit_at(Instant::now())?;
        let sequence = self.len() as u64;
        let journal = self.journal.file();
        self.rotate(sequence).map_err(|error| self.snapshot_error(error.to_string()))?;
        self.generation += 1;
        let snapshot = Snapshot {
            format: FORMAT,
            header: self.header.clone(),
            columns: self.columns.share(),
            failures: self.failures.clone(),
            in_flight,
            sequence,
            generation: self.generation,
            written: unix_now(),
            ended,
        };
        let (files, compress) = (self.files.clone(), self.options.compress);
        Ok(Work { files, snapshot, journal, compress })
    }

    /// `NAME.journal` becomes `NAME.journal.old`, and a new one starts here.
    ///
    /// Only if the facts of the journal.old that is replaced (all before `journal.start`) are in the older
    /// generation too: so either generation and the journals always hold everything. That is every second
    /// snapshot.
    fn rotate(&mut self, sequence: u64) -> io::Result<()> {
        let replaces_needed_facts =
            self.files.exists(Part::JournalOld) && self.published.old.is_none_or(|n| n < self.journal.start);
        if self.rotation_stuck || replaces_needed_facts || sequence == self.journal.start {
            return Ok(());
        }
        let mut new = Journal::create(&self.files, sequence, &self.header)?;
        for told in &self.early {
            new.early(sequence, &Row::from(told));
        }
        new.commit(&self.files)?;
        let replaced = self.files.open_for_writing(Part::JournalOld).ok();
        self.files.rename(Part::Journal, Part::JournalOld)?;
        if let Err(error) = self.files.rename(Part::JournalNew, Part::Journal) {
            // Go on with the journal that is open, under the name that it had.
            self.rotation_stuck = self.files.rename(Part::JournalOld, Part::Journal).is_err();
            return Err(error);
        }
        self.syncer.file(self.journal.file());
        self.syncer.file(new.file());
        self.syncer.folder();
        if let Some(replaced) = replaced {
            self.syncer.close(replaced);
        }
        self.journal = new;
        Ok(())
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        // The lock must outlive the thread that renames files under it.
        let _ = self.collect();
        if self.journal.is_dirty() && !self.lost {
            let _ = self.journal.commit(&self.files);
        }
    }
}
