//! parlor: a chat-room and live-broadcast server on one event loop.
