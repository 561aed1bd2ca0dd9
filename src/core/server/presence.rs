//! Presence: joins and leaves, sent to the members of a room.

use crate::codec::json::event::Event;
use crate::core::chat::{Author, Format, PresenceChanges};
use crate::core::delivery::encode;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// Sends joins and leaves to the members of the rooms whose time for it has come.
    pub(super) fn send_presence(&mut self, now: Now) {
        while self.budget.is_left()
            && let Some((room, news)) = self.chat.take_news(now.ms)
        {
            self.encoder.begin();
            let next_offset = self.chat.offset(room) + 1;
            for format in Format::PEOPLE {
                let audience = room.audience(format);
                let Some(sequence) = self.chat.next_sequence(audience) else {
                    continue;
                };
                let Some(context) = self.chat.context(audience) else {
                    continue;
                };
                let event = presence(context.room, &news);
                self.broadcast
                    .append(audience, sequence, next_offset, |out| match format {
                        Format::Lines => encode::news_line(&news, out),
                        _ => self.encoder.event(&context, &event, out),
                    });
            }
        }
    }
}

fn presence<'a>(room: &'a str, news: &'a PresenceChanges) -> Event<'a> {
    let named = |people: &'a [Author]| {
        (!news.is_crowd).then(|| people.iter().map(encode::person).collect())
    };
    Event::Presence {
        room,
        joined: named(&news.joined),
        left: named(&news.left),
        count: news.count,
    }
}
