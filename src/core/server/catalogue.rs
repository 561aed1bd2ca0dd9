//! All files there are, and how much room they take: of each room, of each owner, and in all.

pub(super) mod state;

use std::collections::{BTreeMap, BTreeSet};

use crate::core::ensure::ensure;
use crate::core::file::{FileId, KeptFile, PlacedFile, Shortage, Space};
use crate::settings::Limits;

/// A file, which may still be arriving.
#[derive(Debug)]
pub(in crate::core) struct Entry {
    pub(in crate::core) room: Box<str>,
    pub(in crate::core) file: KeptFile,
    /// The epoch of its room in which the message is that tells of it; `None` before that is published.
    epoch: Option<u64>,
}

impl Entry {
    /// Whether its message is published.
    pub(in crate::core) fn is_published(&self) -> bool {
        self.epoch.is_some()
    }
}

impl Space {
    fn take(&mut self, files: usize, bytes: u64) {
        self.files += files;
        self.bytes += bytes;
    }

    fn free(&mut self, bytes: u64) {
        self.files -= 1;
        self.bytes -= bytes;
    }
}

/// All files.
#[derive(Debug, Default)]
pub(in crate::core) struct Catalogue {
    files: BTreeMap<FileId, Entry>,
    all: Space,
    rooms: BTreeMap<Box<str>, Space>,
    owners: BTreeMap<Box<str>, Space>,
    /// Those whose messages are published, by room and epoch.
    places: BTreeSet<(Box<str>, u64, FileId)>,
    /// The same by their time.
    ages: BTreeSet<(u64, FileId)>,
}

impl Catalogue {
    /// A file that was kept before.
    pub(in crate::core) fn restore(&mut self, placed: PlacedFile) {
        let PlacedFile {
            room, epoch, file, ..
        } = placed;
        let id = file.id;
        self.insert(room, file);
        self.place(id, epoch);
    }

    /// Keeps place for a file that arrives: for those of its bytes that are announced.
    pub(in crate::core) fn reserve(
        &mut self,
        room: &str,
        file: KeptFile,
        limits: &Limits,
    ) -> Result<(), Shortage> {
        self.check(room, &file.owner, (1, file.bytes), limits)?;
        self.insert(room.into(), file);
        Ok(())
    }

    fn insert(&mut self, room: Box<str>, file: KeptFile) {
        let bytes = file.bytes;
        self.all.take(1, bytes);
        self.rooms.entry(room.clone()).or_default().take(1, bytes);
        let owner = self.owners.entry(file.owner.clone()).or_default();
        owner.take(1, bytes);
        let entry = Entry {
            room,
            file,
            epoch: None,
        };
        self.files.insert(entry.file.id, entry);
    }

    /// More of a file arrives than was announced.
    pub(in crate::core) fn grow(
        &mut self,
        id: FileId,
        more: u64,
        limits: &Limits,
    ) -> Result<(), Shortage> {
        let Some(Entry { room, file, .. }) = self.files.get(&id) else {
            return Ok(());
        };
        let (room, owner) = (room.clone(), file.owner.clone());
        self.check(&room, &owner, (0, more), limits)?;
        self.all.take(0, more);
        self.rooms.entry(room).or_default().take(0, more);
        self.owners.entry(owner).or_default().take(0, more);
        if let Some(entry) = self.files.get_mut(&id) {
            entry.file.bytes += more;
        }
        Ok(())
    }

    /// Whether the limits leave place for so many more files and bytes.
    fn check(
        &self,
        room: &str,
        owner: &str,
        (files, bytes): (usize, u64),
        limits: &Limits,
    ) -> Result<(), Shortage> {
        let fits = |space: Space, most_files: usize, most_bytes: u64| {
            space.files + files <= most_files && space.bytes.saturating_add(bytes) <= most_bytes
        };
        let of_owner = self.owners.get(owner).copied().unwrap_or_default();
        if !fits(of_owner, usize::MAX, limits.file_quota) {
            return Err(Shortage::Owner);
        }
        let of_room = self.rooms.get(room).copied().unwrap_or_default();
        if !fits(of_room, limits.max_room_files, limits.room_file_space) {
            return Err(Shortage::Room);
        }
        match fits(self.all, limits.max_files, limits.file_space) {
            true => Ok(()),
            false => Err(Shortage::All),
        }
    }

    /// The ids of all files.
    pub(in crate::core) fn ids(&self) -> impl Iterator<Item = FileId> {
        self.files.keys().copied()
    }

    pub(in crate::core) fn get(&self, id: FileId) -> Option<&Entry> {
        self.files.get(&id)
    }

    /// What is known of a file that is arriving, to be completed. Its length and its owner stay.
    pub(in crate::core) fn get_mut(&mut self, id: FileId) -> Option<&mut KeptFile> {
        self.files.get_mut(&id).map(|entry| &mut entry.file)
    }

    /// The message of a file is published.
    pub(in crate::core) fn place(&mut self, id: FileId, epoch: u64) {
        if let Some(entry) = self.files.get_mut(&id) {
            entry.epoch = Some(epoch);
            self.places.insert((entry.room.clone(), epoch, id));
            self.ages.insert((entry.file.at_ms, id));
        }
    }

    /// A file is no more. Says whether there was one.
    pub(in crate::core) fn remove(&mut self, id: FileId) -> bool {
        let Some(Entry { room, file, epoch }) = self.files.remove(&id) else {
            return false;
        };
        self.all.free(file.bytes);
        for (spaces, name) in [(&mut self.rooms, &room), (&mut self.owners, &file.owner)] {
            if let Some(space) = spaces.get_mut(name) {
                space.free(file.bytes);
                if space.files == 0 {
                    spaces.remove(name);
                }
            }
        }
        if let Some(epoch) = epoch {
            self.places.remove(&(room, epoch, id));
            self.ages.remove(&(file.at_ms, id));
        }
        true
    }

    /// The files whose messages are in a room of this epoch.
    pub(in crate::core) fn of_room(&self, room: &str, epoch: u64) -> Vec<FileId> {
        let first = (room.into(), epoch, FileId(0));
        let last = (room.into(), epoch, FileId(u128::MAX));
        let found = self.places.range(first..=last);
        found.map(|(.., id)| *id).collect()
    }

    /// One that is older than this time, in milliseconds since 1970.
    pub(in crate::core) fn oldest_before(&self, at_ms: u64) -> Option<FileId> {
        let (oldest_ms, id) = *self.ages.first()?;
        (oldest_ms < at_ms).then_some(id)
    }

    /// The time of the oldest one.
    pub(in crate::core) fn oldest_ms(&self) -> Option<u64> {
        self.ages.first().map(|(at_ms, _)| *at_ms)
    }

    /// How much all take.
    pub(in crate::core) fn all(&self) -> Space {
        self.all
    }

    /// How much those of one owner take.
    pub(in crate::core) fn of_owner(&self, owner: &str) -> Space {
        self.owners.get(owner).copied().unwrap_or_default()
    }

    /// The published files of one owner.
    pub(in crate::core) fn owned_by(&self, owner: &str) -> Vec<FileId> {
        let files = self.files.values();
        let owned = files.filter(|it| *it.file.owner == *owner && it.is_published());
        owned.map(|entry| entry.file.id).collect()
    }

    /// Checks that the sums are right.
    pub(in crate::core) fn check_sums(&self) -> Result<(), String> {
        let mut rooms: BTreeMap<Box<str>, Space> = BTreeMap::new();
        let mut owners: BTreeMap<Box<str>, Space> = BTreeMap::new();
        let mut all = Space::default();
        for entry in self.files.values() {
            let bytes = entry.file.bytes;
            all.take(1, bytes);
            rooms.entry(entry.room.clone()).or_default().take(1, bytes);
            let owner = owners.entry(entry.file.owner.clone()).or_default();
            owner.take(1, bytes);
        }
        ensure(all == self.all, "files are miscounted")?;
        ensure(rooms == self.rooms, "files of rooms are miscounted")?;
        ensure(owners == self.owners, "files of owners are miscounted")?;
        let published = self.files.values().filter(|it| it.is_published()).count();
        ensure(
            published == self.places.len() && published == self.ages.len(),
            "files are not found by their place, or by their time",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: u128, owner: &str, bytes: u64) -> KeptFile {
        KeptFile {
            id: FileId(id),
            name: "a.txt".into(),
            content_type: "text/plain".into(),
            bytes,
            size: None,
            owner: owner.into(),
            at_ms: 1_000 + id as u64,
        }
    }

    fn limits() -> Limits {
        Limits {
            max_files: 4,
            max_room_files: 2,
            file_space: 100,
            room_file_space: 60,
            file_quota: 50,
            ..Limits::of_flags(&[])
        }
    }

    #[test]
    fn what_is_over_a_limit_has_no_place() {
        let (mut all, limits) = (Catalogue::default(), limits());
        let mut reserve =
            |id, room: &str, owner: &str, bytes| all.reserve(room, file(id, owner, bytes), &limits);
        assert_eq!(reserve(1, "tea", "ana", 51), Err(Shortage::Owner));
        assert_eq!(reserve(1, "tea", "ana", 50), Ok(()));
        assert_eq!(reserve(2, "tea", "ana", 1), Err(Shortage::Owner));
        assert_eq!(reserve(2, "tea", "bob", 11), Err(Shortage::Room));
        assert_eq!(reserve(2, "tea", "bob", 10), Ok(()));
        assert_eq!(reserve(3, "tea", "cem", 0), Err(Shortage::Room));
        assert_eq!(reserve(3, "bar", "cem", 41), Err(Shortage::All));
        assert_eq!(reserve(3, "bar", "cem", 0), Ok(()));
        assert_eq!(reserve(4, "bar", "bob", 0), Ok(()));
        assert_eq!(reserve(5, "pub", "bob", 0), Err(Shortage::All));
        assert_eq!(all.grow(FileId(3), 40, &limits), Ok(()));
        assert_eq!(all.grow(FileId(3), 1, &limits), Err(Shortage::All));
        assert_eq!(all.grow(FileId(3), u64::MAX, &limits), Err(Shortage::Owner));
        assert_eq!(all.check_sums(), Ok(()));
        assert_eq!(
            all.all(),
            Space {
                files: 4,
                bytes: 100
            }
        );
        assert!(all.remove(FileId(1)) && !all.remove(FileId(1)));
        assert_eq!(all.of_owner("ana"), Space::default());
        assert_eq!(all.check_sums(), Ok(()));
    }

    #[test]
    fn files_are_found_by_their_messages_and_their_times() {
        let (mut all, limits) = (Catalogue::default(), limits());
        for (id, room) in [(1, "tea"), (2, "tea"), (3, "teak")] {
            all.reserve(room, file(id, "ana", 1), &limits).unwrap();
        }
        assert_eq!((all.oldest_ms(), all.of_room("tea", 7)), (None, vec![]));
        all.place(FileId(2), 7);
        all.place(FileId(1), 7);
        all.place(FileId(3), 7);
        assert_eq!(all.of_room("tea", 7), [FileId(1), FileId(2)]);
        assert!(all.of_room("tea", 8).is_empty());
        assert_eq!(all.oldest_before(1_001), None);
        assert_eq!(all.oldest_before(1_002), Some(FileId(1)));
        all.remove(FileId(1));
        assert_eq!(
            (all.oldest_ms(), all.owned_by("ana").len()),
            (Some(1_002), 2)
        );
        assert_eq!(all.check_sums(), Ok(()));
    }
}
