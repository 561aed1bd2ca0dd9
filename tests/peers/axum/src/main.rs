//! The broadcast room on axum and tokio, as axum's chat example writes it, on one thread.

use std::io::Write;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// The example has 100, and loses whoever falls behind by more; the benchmark's largest window is 320 messages.
const CHANNEL_CAPACITY: usize = 4_096;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(0);
    let (room, _) = broadcast::channel::<Message>(CHANNEL_CAPACITY);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let app = Router::new().route("/ws", any(upgrade)).with_state(room);
    axum::serve(listener, app).await
}

async fn upgrade(
    upgrade: WebSocketUpgrade,
    State(room): State<broadcast::Sender<Message>>,
) -> Response {
    upgrade.on_upgrade(|socket| serve(socket, room))
}

async fn serve(socket: WebSocket, room: broadcast::Sender<Message>) {
    let mut messages = room.subscribe();
    let (mut sink, mut stream) = socket.split();
    let mut sending = tokio::spawn(async move {
        while let Ok(message) = messages.recv().await {
            if sink.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut receiving = tokio::spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            if matches!(message, Message::Text(_) | Message::Binary(_)) {
                let _ = room.send(message);
            }
        }
    });
    tokio::select! {
        _ = &mut sending => receiving.abort(),
        _ = &mut receiving => sending.abort(),
    }
}
