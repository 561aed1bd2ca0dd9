//! The tables of webhooks: their deliveries, and how far the messages of rooms are in them.

use rusqlite::{Connection, Row};

use super::error::{StoreError, readable};
use super::{messages, rooms};
use crate::core::store::{HookNote, HookPosition, HookRequest, KeptDelivery, KeptHooks, Untold};
use crate::limits::{MAX_HOOK_QUEUE_BYTES, MAX_HOOK_UNTOLD};

/// Says whether the webhook of a key is told of a room.
pub(in crate::shell) type IsFor<'a> = dyn Fn(u64, &str) -> bool + 'a;

/// Does what is asked for.
pub(super) fn carry_out(connection: &Connection, request: &HookRequest) -> Result<(), StoreError> {
    match request {
        HookRequest::Begin { webhooks } => set_webhooks(connection, webhooks),
        HookRequest::Note(note) => keep_note(connection, note),
        HookRequest::Seal { note, delivery } => {
            keep_note(connection, note)?;
            keep_delivery(connection, delivery)
        }
        HookRequest::Done { webhook, id } => {
            let sql = "DELETE FROM hook_deliveries WHERE id = ?1 AND webhook = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            statement.execute((&**id, *webhook as i64))?;
            Ok(())
        }
        HookRequest::Clear { webhook } => forget(connection, *webhook as i64),
    }
}

/// Begins with these webhooks, of which each tells of some rooms, and gives what is kept for them.
pub(super) fn begin(
    connection: &Connection,
    webhooks: &[u64],
    is_for: &IsFor<'_>,
) -> Result<KeptHooks, StoreError> {
    let transaction = connection.unchecked_transaction()?;
    set_webhooks(&transaction, webhooks)?;
    // A server that did not end in order may have told offsets that are not here, and that are given again.
    let sql = "UPDATE hook_rooms SET offset = min(hook_rooms.offset, rooms.offset) FROM rooms
               WHERE rooms.name = hook_rooms.room AND rooms.epoch = hook_rooms.epoch";
    transaction.execute(sql, [])?;
    transaction.commit()?;
    let mut untold = Vec::new();
    for &webhook in webhooks {
        untold.extend(untold_of(connection, webhook, is_for)?);
    }
    Ok(KeptHooks {
        deliveries: deliveries(connection)?,
        untold,
    })
}

/// What is kept of others is forgotten, and of new ones all messages that are there count as told.
fn set_webhooks(connection: &Connection, webhooks: &[u64]) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT key FROM hooks")?;
    let known = statement.query_map([], |row| row.get::<_, i64>(0))?;
    let known: Vec<i64> = known.collect::<Result<_, _>>()?;
    let wanted = webhooks.iter().map(|key| *key as i64);
    for key in known
        .iter()
        .filter(|key| !wanted.clone().any(|it| it == **key))
    {
        forget(connection, *key)?;
    }
    for key in wanted.filter(|key| !known.contains(key)) {
        connection.execute("INSERT INTO hooks VALUES (?1)", [key])?;
        let sql = "INSERT OR REPLACE INTO hook_rooms SELECT ?1, name, epoch, offset, 0 FROM rooms";
        connection.execute(sql, [key])?;
    }
    Ok(())
}

fn forget(connection: &Connection, webhook: i64) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM hooks WHERE key = ?1",
        "DELETE FROM hook_rooms WHERE webhook = ?1",
        "DELETE FROM hook_deliveries WHERE webhook = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([webhook])?;
    }
    Ok(())
}

fn keep_note(connection: &Connection, note: &HookNote) -> Result<(), StoreError> {
    let (webhook, room, lost) = (note.webhook as i64, &*note.room, note.lost as i64);
    if let Some(HookPosition { epoch, offset }) = note.upto {
        let sql = "INSERT OR REPLACE INTO hook_rooms VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = (webhook, room, epoch as i64, offset as i64, lost);
        connection.prepare_cached(sql)?.execute(values)?;
    } else {
        let sql = "UPDATE hook_rooms SET lost = ?3 WHERE webhook = ?1 AND room = ?2";
        connection
            .prepare_cached(sql)?
            .execute((webhook, room, lost))?;
    }
    Ok(())
}

fn keep_delivery(connection: &Connection, delivery: &KeptDelivery) -> Result<(), StoreError> {
    let sql = "INSERT INTO hook_deliveries (webhook, room, id, stream, events, at_ms, body)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    connection.prepare_cached(sql)?.execute((
        delivery.webhook as i64,
        &*delivery.room,
        &*delivery.id,
        delivery.stream as i64,
        delivery.events as i64,
        delivery.at_ms as i64,
        &delivery.body,
    ))?;
    Ok(())
}

/// In the order in which they were made. One that is damaged is left out, and logged.
fn deliveries(connection: &Connection) -> Result<Vec<KeptDelivery>, StoreError> {
    let sql = "SELECT webhook, room, id, stream, events, at_ms, body FROM hook_deliveries
               ORDER BY number";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        match readable(delivery(row))? {
            Some(delivery) => deliveries.push(delivery),
            None => log::error!("a delivery to a webhook on disk is damaged and left out"),
        }
    }
    Ok(deliveries)
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<KeptDelivery> {
    Ok(KeptDelivery {
        webhook: row.get::<_, i64>(0)? as u64,
        room: row.get(1)?,
        id: row.get(2)?,
        stream: row.get::<_, i64>(3)? as u64,
        events: row.get::<_, i64>(4)? as u64,
        at_ms: row.get::<_, i64>(5)? as u64,
        body: row.get(6)?,
    })
}

/// Messages that are in no delivery of a webhook.
fn untold_of(
    connection: &Connection,
    webhook: u64,
    is_for: &IsFor<'_>,
) -> Result<Vec<Untold>, StoreError> {
    let sql = "SELECT rooms.name, ifnull(hook_rooms.offset, 0), ifnull(hook_rooms.lost, 0)
               FROM rooms LEFT JOIN hook_rooms
               ON hook_rooms.webhook = ?1 AND hook_rooms.room = rooms.name
                   AND hook_rooms.epoch = rooms.epoch
               WHERE rooms.offset > ifnull(hook_rooms.offset, 0) OR hook_rooms.lost > 0";
    let mut statement = connection.prepare(sql)?;
    let mut found = statement.query([webhook as i64])?;
    let mut untold = Vec::new();
    while let Some(row) = found.next()? {
        let (after, lost): (i64, i64) = (row.get(1)?, row.get(2)?);
        let Some(name) = readable(row.get::<_, Box<str>>(0))?.filter(|it| is_for(webhook, it))
        else {
            continue;
        };
        let Some(room) = rooms::find(connection, &name)? else {
            continue;
        };
        let (after, before) = (after as u64, room.offset + 1);
        let limits = (MAX_HOOK_UNTOLD, MAX_HOOK_QUEUE_BYTES / 2);
        let place = (&*name, &room);
        let read = messages::read(connection, place, (after, before), limits.0, limits.1)?;
        // What is not there any more, or more than would be queued, is a gap.
        let count = room.offset.saturating_sub(after);
        let lost = lost as u64 + count.saturating_sub(read.sound.len() as u64);
        untold.push(Untold {
            webhook,
            room: name,
            upto: HookPosition {
                epoch: room.epoch,
                offset: room.offset,
            },
            messages: read.sound,
            lost,
        });
    }
    Ok(untold)
}
