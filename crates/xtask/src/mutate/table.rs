//! Each precaution, and who notices when it is gone.
//!
//! Owns the table alone. Long because every entry shows the text it takes out.

/// One text of the product, what stands there instead, and the test that must then fail.
#[derive(Debug)]
pub(super) struct Mutation {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    pub(super) old: &'static str,
    pub(super) new: &'static str,
    pub(super) test: Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    pub(super) package: &'static str,
    pub(super) target: &'static str,
    pub(super) name: &'static str,
}

const fn sim(target: &'static str, name: &'static str) -> Test {
    Test { package: "kairos-sim", target, name }
}

const fn journal(target: &'static str, name: &'static str) -> Test {
    Test { package: "kairos-journal", target, name }
}

const fn window(name: &'static str) -> Test {
    Test { package: "kairos-disk", target: "exchange", name }
}

const CRASH: Test = sim("journal", "crash::every_crash_image_opens_with_all_that_was_acknowledged");
const COPIED: Test =
    sim("journal", "crash::journal_that_was_copied_here_is_durable_once_it_was_opened");
const LAST: Test =
    sim("journal", "damage::every_flipped_bit_of_the_last_acknowledged_frame_is_refused");
const CHANGE: Test = sim("exchange", "crash::change_stands_once_whatever_a_crash_leaves");
const PRUNE: Test =
    sim("journal", "prune::whatever_a_crash_leaves_of_a_deletion_is_recorded_covered_and_whole");
const PERSON: Test = sim("exchange", "person::what_a_person_does_between_two_calls_stays");
const BLOB: Test = sim("blobs", "whatever_a_crash_leaves_a_blob_is_there_or_not_believed");
const REMOVED: Test =
    sim("blobs", "collection::what_is_removed_at_any_moment_of_a_put_is_there_after_it");
const UNTOLD: Test = sim("blobs", "collection::where_the_journal_does_not_hold_nothing_is_removed");
const ERASED: Test = sim(
    "blobs",
    "collection::an_erasure_that_was_answered_for_outlives_a_power_loss_and_a_put_beside_it_is_whole",
);

const SNAPSHOTS: Test =
    sim("journal", "crash::every_crash_image_with_snapshots_opens_with_all_that_was_acknowledged");
const LIVES: Test = sim("whole", "whatever_happens_nothing_is_lost_or_done_twice");
const SLOTS: Test = sim("whole", "every_slot_has_one_fate_whatever_becomes_of_its_schedule");

// tidy: table
pub(super) const MUTATIONS: [Mutation; 57] = [
    Mutation {
        name: "commit: fdatasync",
        file: "crates/kairos-journal/src/writer.rs",
        old: "        disk.sync(&self.file).map_err(poisoned(\"sync the journal\"))?;\n",
        new: "",
        test: CRASH,
    },
    Mutation {
        name: "next segment: directory sync",
        file: "crates/kairos-journal/src/segment.rs",
        old: "        disk.rename((dir, OsStr::new(NEXT)), (dir, &name), Rename::Replace)?;\n        \
              disk.sync_dir(dir)\n",
        new: "        disk.rename((dir, OsStr::new(NEXT)), (dir, &name), Rename::Replace)\n",
        test: CRASH,
    },
    Mutation {
        name: "next segment: fdatasync of its zeros",
        file: "crates/kairos-journal/src/segment.rs",
        old: "        filled += chunk.len() as u64;\n    }\n    disk.sync(file)\n",
        new: "        filled += chunk.len() as u64;\n    }\n    Ok(())\n",
        test: journal("faults", "a_segment_is_filled_and_synced_before_it_has_its_name"),
    },
    Mutation {
        name: "opening: fdatasync before reading",
        file: "crates/kairos-journal/src/open.rs",
        old: "        disk.sync(&file).map_err(cannot(\"sync a segment\"))?;\n",
        new: "",
        test: COPIED,
    },
    Mutation {
        name: "opening: directory sync before reading",
        file: "crates/kairos-journal/src/open.rs",
        old: "    disk.sync_dir(dir).map_err(cannot(\"sync the journal's directory\"))?;\n",
        new: "",
        test: COPIED,
    },
    Mutation {
        name: "opening: writing unmarked frames again",
        file: "crates/kairos-journal/src/open.rs",
        old: "    let mut unsure = unmarked(bytes, scan);\n",
        new: "    let end = unmarked(bytes, scan).end;\n    let mut unsure = end..end;\n",
        test: sim("journal", "fault::sync_that_fails_and_lies_costs_no_frame_that_was_shown"),
    },
    Mutation {
        name: "torn bytes: fdatasync",
        file: "crates/kairos-journal/src/open.rs",
        old: "        disk.sync(&file)?;\n        disk.sync_dir(&torn)?;\n",
        new: "        disk.sync_dir(&torn)?;\n",
        test: CRASH,
    },
    Mutation {
        name: "torn bytes: directory sync",
        file: "crates/kairos-journal/src/open.rs",
        old: "        disk.sync_dir(&torn)?;\n        disk.sync_dir(dir)?;\n",
        new: "",
        test: CRASH,
    },
    Mutation {
        name: "frame: checksum of the body",
        file: "crates/kairos-journal/src/frame.rs",
        old: "    (framed && crc32fast::hash(body) == crc).then_some(body)\n",
        new: "    (framed || crc == 0).then_some(body)\n",
        test: LAST,
    },
    Mutation {
        name: "frame: checksum of the head",
        file: "crates/kairos-journal/src/frame.rs",
        old: " || !spaced || crc32fast::hash(&head[..HEAD_CRC]) != crc {\n",
        new: " || !spaced || head.len() as u64 == u64::from(crc) {\n",
        test: LAST,
    },
    Mutation {
        name: "frame: one spelling of a number",
        file: "crates/kairos-journal/src/frame.rs",
        old: "    let whole = again == text && nibbles & each(0xf0) == 0;\n",
        new: "    let whole = again | text == text | again;\n",
        test: LAST,
    },
    Mutation {
        name: "walk: chain",
        file: "crates/kairos-journal/src/walk.rs",
        old: "        if !self.link.is_in_head(frame) {\n            return Err(Reason::Link);\n        }\n",
        new: "",
        test: sim("journal", "damage::stale_and_foreign_segments_are_refused"),
    },
    Mutation {
        name: "recovery: NUL rule",
        file: "crates/kairos-journal/src/recover.rs",
        old: "        if !pieces(frame.clone()).any(|piece| is_nul(&bytes[piece])) {\n            return \
              Err(reason);\n        }\n",
        new: "",
        test: LAST,
    },
    Mutation {
        name: "recovery: durable rule",
        file: "crates/kairos-journal/src/recover.rs",
        old: "        Some(later) => Err(Reason::Acknowledged { later }),\n",
        new: "        Some(_) => Ok(offset..end),\n",
        test: journal("damage", "a_hole_in_what_was_acknowledged_is_refused"),
    },
    Mutation {
        name: "recovery: length of a segment",
        file: "crates/kairos-journal/src/recover.rs",
        old: "    if head.bytes != bytes.len() as u64 {\n",
        new: "    if head.bytes == 0 {\n",
        test: sim("journal", "damage::segments_cut_behind_their_frames_are_refused"),
    },
    Mutation {
        name: "lock of the journal",
        file: "crates/kairos-journal/src/lock.rs",
        old: "        Ok(disk.lock(&file)?.then_some(Self { _file: file }))\n",
        new: "        disk.lock(&file)?;\n        Ok(Some(Self { _file: file }))\n",
        test: journal("ledger", "a_second_opener_is_refused_until_the_first_is_gone"),
    },
    Mutation {
        name: "deletion: recorded before",
        file: "crates/kairos-journal/src/retention.rs",
        old: "    let deleted = delete(places, recorded)?;\n    \
              let next = excess(places.disk, places.journal, founded, limits)?;\n",
        new: "    let next = excess(places.disk, places.journal, founded, limits)?;\n    \
              let deleted = delete(places, next.map_or(recorded, |next| next.first))?;\n",
        test: PRUNE,
    },
    Mutation {
        name: "deletion: the older of two snapshots",
        file: "crates/kairos-journal/src/retention.rs",
        old: "snapshot::holding::<F, D>(disk, dir, &firsts, 2)?.get(1).copied()",
        new: "snapshot::holding::<F, D>(disk, dir, &firsts, 1)?.first().copied()",
        test: PRUNE,
    },
    Mutation {
        name: "deletion: roots of what goes",
        file: "crates/kairos-journal/src/retention.rs",
        old: "    keep_roots(places, first)?;\n",
        new: "",
        test: PRUNE,
    },
    Mutation {
        name: "deletion: checkpoint over what goes",
        file: "crates/kairos-journal/src/retention.rs",
        old: "        cover(places, signer, next.first)?;\n",
        new: "        let _ = (signer, next);\n",
        test: PRUNE,
    },
    Mutation {
        name: "deletion: one after the other",
        file: "crates/kairos-journal/src/retention.rs",
        old: "            .and_then(|()| disk.sync_dir(journal))\n",
        new: "",
        test: PRUNE,
    },
    Mutation {
        name: "exchange: sync of the new file",
        file: "crates/kairos-disk/src/exchange/stage.rs",
        old: "            self.fs.sync_all(&file).map_err(refuse(\"syncing beside it\"))?;\n",
        new: "",
        test: CHANGE,
    },
    Mutation {
        name: "exchange: directory sync",
        file: "crates/kairos-disk/src/exchange/stage.rs",
        old: "        self.fs.sync_dir(&place.dir).map_err(|source| {\n            let doubt",
        new: "        Ok::<(), io::Error>(()).map_err(|source| {\n            let doubt",
        test: CHANGE,
    },
    Mutation {
        name: "exchange: directory sync after the last unlink",
        file: "crates/kairos-disk/src/exchange/finish.rs",
        old: "        self.fs.sync_dir(dir)?;\n        Ok(Finished::Removed)\n",
        new: "        Ok(Finished::Removed)\n",
        test: CHANGE,
    },
    Mutation {
        name: "exchange: two names at once",
        file: "crates/kairos-disk/src/exchange/edit.rs",
        old: "        if let Err(source) = self.fs.rename(temp, target, Rename::Exchange) {\n",
        new: "        if let Err(source) = self.fs.rename(temp, target, Rename::Replace) {\n",
        test: PERSON,
    },
    Mutation {
        name: "exchange: back again",
        file: "crates/kairos-disk/src/exchange/edit.rs",
        old: "                let left = self.swap_back(&place, names, staged, &post_digest, wait);\n",
        new: "                let left: io::Result<Left> = Ok(Left::Standing);\n",
        test: window("window::file_edited_before_the_swap_comes_back"),
    },
    Mutation {
        name: "exchange: look at what came out",
        file: "crates/kairos-disk/src/exchange/look.rs",
        old: "        if self.holds(&seen, pre).map_err(disk(\"reading what was replaced\"))? {\n",
        new: "        if self.holds(&seen, pre).is_ok() {\n",
        test: PERSON,
    },
    Mutation {
        name: "exchange: path resolved again",
        file: "crates/kairos-disk/src/exchange/look.rs",
        old: "            Ok(_) | Err(_) => Err(Doubt::ParentMoved),\n",
        new: "            Ok(_) | Err(_) => Ok(()),\n",
        test: window("window::directory_renamed_in_the_window_gets_its_file_back"),
    },
    Mutation {
        name: "exchange: directory as prepared",
        file: "crates/kairos-disk/src/exchange/look.rs",
        old: "        if place.identity.inode == at.parent_inode {\n",
        new: "        if place.identity.inode > 0 || at.parent_inode > 0 {\n",
        test: window("tables::path_that_leads_elsewhere_is_unsettled"),
    },
    Mutation {
        name: "exchange: lease before",
        file: "crates/kairos-disk/src/exchange/look.rs",
        old: "            Ok(Writers::Some) => Err(place.refuse(Reason::OpenForWriting)),\n",
        new: "            Ok(Writers::Some) => Ok(()),\n",
        test: window("window::file_that_an_editor_holds_open_is_refused_after_a_second"),
    },
    Mutation {
        name: "exchange: lease after",
        file: "crates/kairos-disk/src/exchange/look.rs",
        old: "        if writers == Writers::Some {\n            return Err(Doubt::OpenForWriting);\n        }\n",
        new: "",
        test: window("window::editor_that_opened_the_file_in_the_window_writes_where_it_means_to"),
    },
    Mutation {
        name: "move: a second name with another number",
        file: "crates/kairos-disk/src/exchange/relocate.rs",
        old: "        if one.identity == other.identity {\n            return Ok(true);\n        }\n",
        new: "        if one.identity == other.identity || one.links > 0 {\n            \
              return Ok(one.identity == other.identity);\n        }\n",
        test: Test {
            package: "kairos-disk",
            target: "mounts",
            name: "layers::changes_are_made_in_an_overlay_and_its_lower_layer_stays",
        },
    },
    Mutation {
        name: "creation: directory syncs around its mark",
        file: "crates/kairos-disk/src/exchange/create.rs",
        old: "            .sync_dir(&place.dir)\n            .and_then(|()| self.fs.create(&place.dir, \
              &names.temp, 0o600).map(drop))\n",
        new: "            .create(&place.dir, &names.temp, 0o600)\n            .map(drop)\n",
        test: CHANGE,
    },
    Mutation {
        name: "new directory: sync of its parent",
        file: "crates/kairos-disk/src/exchange/way.rs",
        old: "        self.fs.sync_dir(dir).map_err(failed(\"syncing a directory on the way\"))\n",
        new: "        Ok(())\n",
        test: CHANGE,
    },
    Mutation {
        name: "new directory: mark in the root",
        file: "crates/kairos-disk/src/exchange/way.rs",
        old: "        self.fs.create(&self.root, &names.temp, 0o600)?;\n",
        new: "",
        test: window("below::creation_whose_directory_is_missing_is_retried_only_without_its_mark"),
    },
    Mutation {
        name: "blob: fdatasync",
        file: "crates/kairos-disk/src/blob.rs",
        old: "            .and_then(|()| self.fs.sync(&file))\n",
        new: "",
        test: BLOB,
    },
    Mutation {
        name: "blob: directory sync",
        file: "crates/kairos-disk/src/blob.rs",
        old: "Ordering::Relaxed);\n        self.fs.sync_dir(&self.dir)\n",
        new: "Ordering::Relaxed);\n        Ok(())\n",
        test: BLOB,
    },
    Mutation {
        name: "blob: hash at every read",
        file: "crates/kairos-disk/src/blob.rs",
        old: "        if crate::digest::digest(&bytes) != *digest {\n",
        new: "        if bytes.len() as u64 > bytes_max {\n",
        test: sim("blobs", "no_flipped_bit_of_a_blob_is_believed"),
    },
    Mutation {
        name: "put: entered before it is looked for",
        file: "crates/kairos-disk/src/blob.rs",
        old: "        self.recent().put(&digest);\n",
        new: "",
        test: REMOVED,
    },
    Mutation {
        name: "collection: what was put lately",
        file: "crates/kairos-disk/src/blob/collection.rs",
        old: "recent.is_full() || recent.holds(digest) || ",
        new: "recent.is_full() || ",
        test: REMOVED,
    },
    Mutation {
        name: "collection: a day on disk",
        file: "crates/kairos-disk/src/blob/collection.rs",
        old: " || age < NAMED_WITHIN {\n",
        new: " || age < NAMED_WITHIN / 2 {\n",
        test: sim("blobs", "collection::what_changed_on_disk_today_stays"),
    },
    Mutation {
        name: "collection: frames up to the head",
        file: "crates/kairos-journal/src/mentions.rs",
        old: "    if reached < head { Err",
        new: "    if head < Seq(0) { Err",
        test: UNTOLD,
    },
    Mutation {
        name: "collection: checksum of a snapshot",
        file: "crates/kairos-journal/src/snapshot.rs",
        old: "    if whole.holds() { Ok(whole.bytes)",
        new: "    if whole.summed > 0 { Ok(whole.bytes)",
        test: UNTOLD,
    },
    Mutation {
        name: "erasure: directory sync",
        file: "crates/kairos-disk/src/blob/collection.rs",
        old: "        self.fs.sync_dir(&self.dir)?;\n        Ok(was)\n",
        new: "        Ok(was)\n",
        test: ERASED,
    },
    Mutation {
        name: "snapshot: fdatasync",
        file: "crates/kairos-journal/src/snapshot.rs",
        old: "        }\n    }\n    disk.sync(file)\n",
        new: "        }\n    }\n    Ok(())\n",
        test: SNAPSHOTS,
    },
    Mutation {
        name: "snapshot: checksum",
        file: "crates/kairos-journal/src/snapshot.rs",
        old: "        if holds { form } else { Err(Flaw::Sum) }\n",
        new: "        if holds { form } else { form }\n",
        test: journal("snapshot", "no_flipped_byte_of_a_snapshot_is_believed"),
    },
    Mutation {
        name: "snapshot: the frame behind it",
        file: "crates/kairos-journal/src/snapshot.rs",
        old: "            Some((frame, _)) if basis.cursor.link.is_in_head(&frame) => Ok(()),\n",
        new: "            Some((_, _)) if basis.cursor.head < next => Ok(()),\n",
        test: journal("snapshot", "the_snapshot_of_another_history_is_not_believed"),
    },
    Mutation {
        name: "snapshot: sync of the segment behind it",
        file: "crates/kairos-journal/src/refold.rs",
        old: "    settle(&**disk, dir, next).map_err(cannot(\"sync the segment behind the snapshot\"))?;\n",
        new: "",
        test: sim(
            "journal",
            "crash::a_snapshot_of_frames_that_were_never_synced_is_not_ahead_of_its_journal",
        ),
    },
    Mutation {
        name: "schedule: cursor of one that went",
        file: "crates/kairos-core/src/state.rs",
        old: "        known.unwrap_or_else(|| self.gone.cursor(identity)).max(now)\n",
        new: "        known.map_or(now, |_| now)\n",
        test: Test {
            package: "kairos-engine",
            target: "engine",
            name: "schedules::a_schedule_that_comes_back_behind_a_small_step_of_the_clock_fires_no_slot_twice",
        },
    },
    Mutation {
        name: "retention: what is deleted is recorded",
        file: "crates/kairos-journal/src/retention.rs",
        old: "    let deleted = delete(places, recorded)?;\n",
        new: "    let deleted = delete(places, founded.next())?;\n",
        test: LIVES,
    },
    Mutation {
        name: "slots: cursor that a reload keeps",
        file: "crates/kairos-engine/src/calendar.rs",
        old: "            (_, Some(same)) => (same.revision, carried(same, &table)),\n",
        new: "            (_, Some(same)) => (same.revision, begins(same.cursor.max(now))),\n",
        test: SLOTS,
    },
    Mutation {
        name: "slots: fate of a fire that overlaps",
        file: "crates/kairos-core/src/decide/slots.rs",
        old: "                events.push(slot_event(loaded, slot, (state, refused, mandate), files));\n",
        new: "                if refused != Some(SlotReason::Overlap) {\n                    events.push(slot_event(loaded, slot, (state, refused, mandate), files));\n                }\n",
        test: SLOTS,
    },
    Mutation {
        name: "slots: bound of a queue",
        file: "crates/kairos-core/src/decide/slots.rs",
        old: "            fired + queued.take(most).count() >= most\n",
        new: "            fired + queued.take(most).count() > most\n",
        test: SLOTS,
    },
    Mutation {
        name: "slots: last fates of a rule",
        file: "crates/kairos-engine/src/calendar.rs",
        old: "        if !accounted.fates.is_empty() {\n            inputs",
        new: "        if accounted.fates.is_empty() {\n            inputs",
        test: SLOTS,
    },
    Mutation {
        name: "slots: cursor when zone data change",
        file: "crates/kairos-engine/src/calendar.rs",
        old: "    let cursor = before.carried(loaded.cursor, table);\n",
        new: "    let cursor = loaded.cursor;\n",
        test: SLOTS,
    },
    Mutation {
        name: "slots: next that is announced",
        file: "crates/kairos-engine/src/calendar.rs",
        old: "    definition.enabled.then(|| table.next_release(cursor))?\n",
        new: "    definition.enabled.then(|| table.next_release(table.next_after(cursor)?.at))?\n",
        test: SLOTS,
    },
    Mutation {
        name: "slots: where a new schedule begins",
        file: "crates/kairos-engine/src/calendar.rs",
        old: "            (None, None) => (1, begins(state.begins(identity, now))),\n",
        new: "            (None, None) => (1, begins(state.begins(identity, now).plus_ms(3_600_000))),\n",
        test: SLOTS,
    },
];
