//! A POST to several rooms.

use std::mem;

use crate::codec::http::response::Problem;
use crate::core::net::pending::{Post, Reply};
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::copies::Sender;
use crate::core::server::doors::http::rooms::publish_of;
use crate::core::server::error::CommandError;
use crate::core::server::publisher::{Publisher, sender_of_post};
use crate::core::stream::Stream;

impl<S: Stream> Server<S> {
    /// Publishes a message that came by POST in several rooms.
    pub(in crate::core::server) fn on_copies(
        &mut self,
        mut post: Post,
        body: &[u8],
        reply: &Reply,
        now: Now,
    ) -> Result<(), Problem> {
        self.chat
            .may_post(&post.owner, now)
            .map_err(CommandError::from)?;
        let rooms = mem::take(&mut post.copies);
        // One was counted already.
        self.chat.charge_posts(&post.owner, rooms.len() - 1, now);
        let publish = publish_of(&post, body)?;
        let publisher = Publisher {
            author: &post.author,
            sender: &sender_of_post(&post),
            owner: &post.owner,
        };
        let sender = Sender::Http(reply.clone());
        self.publish_copies(rooms, &publish, publisher, sender, now)?;
        if let Some(connection) = self.get_mut(reply.id) {
            connection.traffic.messages_in += 1;
            self.counters.traffic.messages_in += 1;
        }
        Ok(())
    }
}
