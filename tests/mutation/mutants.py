"""Bugs to plant in the core, one at a time: what it is, the file, the text that is replaced, the text in its place."""

DELIVER = "src/core/server/deliver.rs"
READ = "src/core/server/read.rs"
END = "src/core/server/end.rs"
DEADLINES = "src/core/server/deadlines.rs"
QUEUE = "src/core/write_queue.rs"
BROADCAST = "src/core/broadcast.rs"
CHAT = "src/core/chat.rs"
VISITS = "src/core/chat/visits.rs"
CLIENTS = "src/core/server/clients.rs"
ARRIVALS = "src/core/server/arrivals.rs"
PARTS = "src/core/snapshot/parts.rs"

MUTANTS = [
    (
        "a batch is queued without a dirty mark",
        DELIVER,
        "                connection.served = delivery.last;\n                self.mark_dirty(id);",
        "                connection.served = delivery.last;",
    ),
    (
        "a partial write loses a byte",
        QUEUE,
        "                first.position += count;",
        "                first.position += (count + 1).min(remaining - 1);",
    ),
    (
        "who is lost stays a member",
        END,
        "    pub(super) fn close_now(&mut self, id: ConnectionId, reason: EndReason, now: Now) {\n        self.leave(id, now);",
        "    pub(super) fn close_now(&mut self, id: ConnectionId, reason: EndReason, _: Now) {",
    ),
    (
        "a slot is never freed",
        END,
        "        self.closed.push(id);",
        "        if id.index() != 3 {\n            self.closed.push(id);\n        }",
    ),
    (
        "a connection is freed inside the tick",
        END,
        "        self.closed.push(id);",
        "        self.closed.push(id);\n        self.connections.remove(id.index());",
    ),
    (
        "a message of just the longest length is refused",
        "src/codec/ws/message.rs",
        "if header.length > most.saturating_sub(arrived) as u64",
        "if header.length >= most.saturating_sub(arrived) as u64",
    ),
    (
        "one connection too few is let in",
        CLIENTS,
        "let is_full = self.connections.len() - self.refused >= self.limits.max_connections;",
        "let is_full = self.connections.len() - self.refused + 1 >= self.limits.max_connections;",
    ),
    (
        "a queue may grow one byte past its limit",
        QUEUE,
        "self.queued_bytes + cost > max_queue {",
        "self.queued_bytes + cost > max_queue.saturating_add(1) {",
    ),
    (
        "one room too many",
        CHAT,
        "if self.rooms.len() >= self.limits.max_rooms && ",
        "if self.rooms.len() > self.limits.max_rooms && ",
    ),
    (
        "a pong is lost when something waits",
        READ,
        "            && matches!(connection.phase, Phase::Open { .. })\n",
        "            && matches!(connection.phase, Phase::Open { .. })\n            && connection.queue.is_empty()\n",
    ),
    (
        "a room is taken for another",
        CHAT,
        "let index = *self.by_name.get(name)?;",
        "let index = *self.by_name.get(name).or(self.by_name.values().next())?;",
    ),
    (
        "two batches change places",
        QUEUE,
        "self.rest.get_or_insert_default().push_back(chunk)",
        "self.rest.get_or_insert_default().push_front(chunk)",
    ),
    (
        "a WRITABLE is dropped",
        "src/core/server.rs",
        "        if ready.writable {",
        "        if ready.writable && !ready.readable {",
    ),
    (
        "the end that comes with data is forgotten",
        READ,
        "if is_short && connection.input == Input::Ready {",
        "if is_short {",
    ),
    (
        "who comes in gets the last message from before",
        BROADCAST,
        "(since + 1).saturating_sub",
        "since.saturating_sub",
    ),
    (
        "what is said during a fan-out is forgotten",
        BROADCAST,
        "        if outbox.batch.count > 0 {\n            self.ready.push(fanout.audience);",
        "        if outbox.batch.count > 100 {\n            self.ready.push(fanout.audience);",
    ),
    (
        "a fan-out ends one member early",
        BROADCAST,
        "if fanout.served < fanout.members.len() {",
        "if fanout.served + 1 < fanout.members.len() {",
    ),
    (
        "a deadline that moved away is lost",
        DEADLINES,
        "                if deadline > now.ms {\n                    self.set_deadline(id, deadline);",
        "                if deadline > now.ms {",
    ),
    (
        "a peer that answers pings is given up",
        DEADLINES,
        "if connection.phase == (Phase::Open { pinged: true }) {",
        "if connection.phase == (Phase::Open { pinged: false }) {",
    ),
    (
        "input that is dropped stays accounted",
        END,
        "            connection.take_pending();\n            self.meter_held(id);",
        "            connection.take_pending();\n            connection.metered_bytes = 0;",
    ),
    (
        "the memory limit is not kept",
        DELIVER,
        "if self.meter.used() <= self.limits.max_memory || self",
        "if self.meter.used() <= 2 * self.limits.max_memory || self",
    ),
    (
        "the answer to a close frame overtakes the last words",
        END,
        "Some(connection) if connection.served < until => {",
        "Some(connection) if connection.served > until => {",
    ),
    (
        "a socket is closed with unread input",
        DELIVER,
        "                reason,\n            }) => self.linger(id, reason, now),",
        "                reason,\n            }) => self.close_now(id, reason, now),",
    ),
    (
        "a frame is cut when a slow reader is closed",
        QUEUE,
        "(!rest.is_empty()).then(|| Self::whole(",
        "(rest.len() > 5).then(|| Self::whole(",
    ),
    (
        "the mask begins anew with every part",
        "src/codec/ws/message.rs",
        "frame::apply_mask(payload, self.header.mask, self.arrived);",
        "frame::apply_mask(payload, self.header.mask, 0);",
    ),
    (
        "a seat is not moved with its member",
        VISITS,
        "            moved.place = seat.place;",
        "            moved.place = moved.place.max(seat.place);",
    ),
    (
        "a drain does not wait for what was said",
        "src/core/server/drain.rs",
        "        if self.broadcast.is_busy() {\n            return;\n        }\n",
        "",
    ),
    (
        "what has to wait for its room is lost",
        READ,
        "                Some(audience) => self.broadcast.hold(audience, id),\n",
        "                Some(_) => {}\n",
    ),
    (
        "a batch grows while its room is behind",
        BROADCAST,
        "batch.bytes.len() >= ROOM_BACKLOG ||",
        "batch.bytes.len() >= 2 * ROOM_BACKLOG ||",
    ),
    (
        "the last byte of unfinished input is lost",
        "src/core/connection.rs",
        "        if !unfinished.is_empty() {",
        "        if unfinished.len() > 1 {",
    ),
    (
        "recovery gives one message too few",
        "src/core/chat/history.rs",
        "reaches_back.then(|| self.after(offset))",
        "reaches_back.then(|| self.after(offset + 1))",
    ),
    (
        "recovery reaches back one message too far",
        "src/core/chat/history.rs",
        "Some(oldest) => oldest.offset <= offset + 1,",
        "Some(oldest) => oldest.offset <= offset + 2,",
    ),
    (
        "what comes live begins one early",
        "src/core/chat/visits.rs",
        "        let since = audience.sequence;\n",
        "        let since = audience.sequence.saturating_sub(1);\n",
    ),
    (
        "nobody is told who left",
        "src/core/chat/visits.rs",
        "        self.note(room, Change::Went, person, now_ms);\n",
        "",
    ),
    (
        "who came in meanwhile is not told what is undone",
        "src/core/chat/presence.rs",
        "        self.listings += 1;\n",
        "",
    ),
    (
        "some messages are published again",
        "src/core/chat/publish.rs",
        "(draft.dedup, offset) {",
        "(draft.dedup, offset.filter(|offset| offset % 4 > 0)) {",
    ),
    (
        "a gap begins one late",
        "src/core/lagging.rs",
        "let offset = offset.max(told);",
        "let offset = offset.max(told) + 1;",
    ),
    (
        "a key is not removed",
        "src/core/chat/publish.rs",
        "Some(key) if draft.retain && draft.removes_key() => history.remove(key),",
        "Some(_) if draft.retain && draft.removes_key() => {}",
    ),
    (
        "readers of streams hear what is ephemeral",
        "src/core/server/say.rs",
        "if message.offset.is_none() && !format.is_json() {",
        "if message.offset.is_none() && format.is_plain() {",
    ),
    (
        "a name is free after half the time",
        "src/core/chat/people.rs",
        "let forgotten_ms = now_ms + ABSENCE_MS;",
        "let forgotten_ms = now_ms + ABSENCE_MS / 2;",
    ),
    (
        "an answer comes after the close frame",
        "src/core/server/say.rs",
        "        if !matches!(connection.phase, Phase::Open { .. }) {",
        "        if matches!(connection.phase, Phase::Request { .. }) {",
    ),
    (
        "what comes compressed is taken as it is",
        READ,
        "Event::Compressed(kind, payload) => self.on_compressed(id, kind, payload, now),",
        "Event::Compressed(kind, payload) => self.on_message(id, kind, payload, now),",
    ),
    (
        "a compressed message is not marked",
        "src/core/encode.rs",
        "return frame::encode_compressed(",
        "return frame::encode(",
    ),
    (
        "a line keeps what a terminal obeys",
        "src/codec/line.rs",
        "c if c.is_control()",
        "c if c.is_control() && c != '\\x1b'",
    ),
    (
        "the lines of one batch are taken for one",
        "src/core/frames.rs",
        "FrameKind::Line => rest.iter().position(|&byte| byte == b'\\n').map(|at| at + 1),",
        "FrameKind::Line => Some(rest.len()),",
    ),
    (
        "the last lines are shown in the wrong order",
        "src/core/server/lines.rs",
        "for message in &arrival.messages {",
        "for message in arrival.messages.iter().rev() {",
    ),
    (
        "a stream begins behind its first message",
        "src/core/encode.rs",
        "first.map_or(offset, |first| first - 1);",
        "first.map_or(offset, |first| first);",
    ),
    (
        "who posts does not wait for the room",
        READ,
        "            Some((Door::Http(Some(pending)), _)) => self.chat.find(&pending.post.room),\n",
        "",
    ),
    (
        "a right to speak is taken for one to read",
        "src/core/access.rs",
        "self.allows(room, |grant| &grant.subscribe)",
        "self.allows(room, |grant| &grant.publish)",
    ),
    (
        "who may only read is heard at the plain door",
        "src/core/server/say.rs",
        "if !may.is_some_and(|name| rights.may_publish(name)) {",
        "if !may.is_some_and(|name| rights.may_subscribe(name)) {",
    ),
    (
        "a connection outlives its token",
        "src/core/access.rs",
        "        if due_ms > now_ms {\n",
        "        if due_ms.saturating_add(200) > now_ms {\n",
    ),
    (
        "a new token leaves one in rooms that it does not allow",
        "src/core/server/rights.rs",
        "if !name.is_some_and(|name| rights.may_subscribe(name)) {",
        "if name.is_none() {",
    ),
    (
        "a place is not given back to its address",
        "src/core/addresses.rs",
        "account.connections.saturating_sub(1);",
        "account.connections.saturating_sub(0);",
    ),
    (
        "what is kept before the kernel leaves, and nobody notices",
        DELIVER,
        "if matches!(result, Ok(Flush::Drained)) {",
        "if matches!(result, Ok(Flush::Drained)) && connection.id.index() == usize::MAX {",
    ),
    (
        "a close frame that is kept before the kernel is thrown away",
        END,
        "            _ if connection.has_output() => {}",
        "            _ if !connection.queue.is_empty() => {}",
    ),
    (
        "all rooms are looked at in one turn",
        "src/core/server/unfinished.rs",
        "listing.look(&self.chat, LOOKS_AT_ONCE)",
        "listing.look(&self.chat, usize::MAX)",
    ),
    (
        "looking at rooms is not charged",
        "src/core/server/unfinished.rs",
        "session.charge(looked.work / COMMAND_LOOKS);",
        "session.charge(0 / COMMAND_LOOKS);",
    ),
    (
        "the next command does not wait for a listing",
        "src/core/server/unfinished.rs",
        "            session.is_busy = true;",
        "            session.is_busy = false;",
    ),
    (
        "a stale snapshot is handed out",
        PARTS,
        ".is_some_and(|part| part.identity != *identity)",
        ".is_some_and(|_| false)",
    ),
    (
        "everyone who comes gets a snapshot of their own",
        PARTS,
        "        if bytes > self.max_bytes / 2 {",
        "        if bytes > 0 {",
    ),
    (
        "a pong is put between the pieces of a frame",
        QUEUE,
        "        while begin > 0 && self.get(begin).is_some_and(Chunk::goes_on) {",
        "        while begin > 9 && self.get(begin).is_some_and(Chunk::goes_on) {",
    ),
    (
        "a cut drops the rest of a frame in pieces",
        QUEUE,
        "rest.into_iter().take_while(Chunk::goes_on)",
        "rest.into_iter().take_while(|_| false)",
    ),
    (
        "who catches up is told the state of a key twice",
        "src/core/chat/history.rs",
        ".is_none_or(|state| state.offset < kept.offset)",
        ".is_none_or(|state| state.offset <= kept.offset)",
    ),
    (
        "a stream has its position before it has the state",
        ARRIVALS,
        "Some(&*id).filter(|_| last.is_none())",
        "Some(&*id)",
    ),
    (
        "to join again announces what is on its way",
        ARRIVALS,
        "next.map_or_else(|| self.chat.offset(room), |next| next - 1)",
        "next.map_or_else(|| self.chat.offset(room), |_| self.chat.offset(room))",
    ),
    (
        "a command waits for answers that were read",
        "src/core/connection.rs",
        "            *has_answers = true;",
        "            *has_answers = false;",
    ),
    (
        "who has left a room is served from where they were",
        BROADCAST,
        "self.is_steady || chat.has_members(self.audience, &self.members)",
        "self.is_steady || chat.members(self.audience).is_some()",
    ),
]
