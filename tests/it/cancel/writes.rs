//! Writes that are dropped tear no message (hazard B5).

use std::io::Read;
use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use uring::{spawn, time};

use crate::storm::uninterrupted;
use crate::support::{Random, joined, narrow_pair, on_ring, pair, peer, read_to_end};

/// The checksum of Ethernet and zip.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

/// Length, checksum, number, noise.
fn frame(number: u32, random: &mut Random) -> Vec<u8> {
    let most = if random.once_in(4) { 60_000 } else { 1500 };
    let mut payload = number.to_le_bytes().to_vec();
    payload.extend((0..random.below(0..most)).map(|place| (place as u32 ^ number) as u8));
    let mut frame = (payload.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&crc32(&payload).to_le_bytes());
    frame.extend_from_slice(&payload);
    frame
}

/// Bytes that tell when the runtime has let go of them.
struct Watched {
    bytes: Vec<u8>,
    gone: Arc<AtomicBool>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// Reads frames slowly, to the end, and gives their numbers.
fn read_frames(mut client: &StdStream, mut random: Random) -> Vec<u32> {
    let mut numbers = Vec::new();
    loop {
        let mut head = [0; 8];
        let got = uninterrupted(|| client.read(&mut head)).unwrap();
        if got == 0 {
            return numbers;
        }
        client.read_exact(&mut head[got..]).expect("a frame has a whole head");
        let [bytes, crc] = [0, 4].map(|at| u32::from_le_bytes(head[at..at + 4].try_into().unwrap()));
        let mut payload = vec![0; bytes as usize];
        client.read_exact(&mut payload).expect("a frame is whole");
        assert_eq!(crc32(&payload), crc, "a frame after {:?} is torn", numbers.last());
        numbers.push(u32::from_le_bytes(payload[..4].try_into().unwrap()));
        if random.once_in(3) {
            std::thread::sleep(random.micros(400));
        }
    }
}

/// Writes frames, each `with_copy` or without, drops many of the writes, and looks at what came.
async fn check_dropped(mut random: Random, with_copy: impl Fn(&mut Random) -> bool) {
    let (stream, client) = narrow_pair().await;
    let reading = random.fork();
    let client = peer(move || read_frames(&client, reading));
    let (mut begun, mut unsent, mut dropped, mut number) = (Vec::new(), 0, 0, 0);
    // As long as it takes for both to have happened often.
    while begun.len() < 200 || dropped < 15 || unsent < 15 {
        number += 1;
        let gone = Arc::new(AtomicBool::new(false));
        let watched = Watched { bytes: frame(number, &mut random), gone: Arc::clone(&gone) };
        let bytes = Bytes::from_owner(watched);
        let copies = with_copy(&mut random);
        let write = async {
            if copies { stream.write_all(bytes).await } else { stream.write_all_zero_copy(bytes).await }
        };
        let micros = if random.once_in(4) { 5000 } else { 300 };
        match time::timeout(random.micros(micros), write).await {
            Ok(written) => {
                written.into_result().unwrap();
                begun.push(number);
            }
            // Dropped, and the runtime has let go of the bytes: it was never begun.
            Err(_) if gone.load(Ordering::Relaxed) => unsent += 1,
            Err(_) => {
                begun.push(number);
                dropped += 1;
            }
        }
    }
    println!("{} frames begun, {dropped} of them dropped; {unsent} never begun", begun.len());
    drop(stream);
    assert_eq!(joined(client).await, begun, "what was begun came whole and in order, and nothing else");
}

// The break is a drop that gives up the head of the line while the send goes on (`release` in the drop of `Write`):
// two frames mix.
#[test]
fn writes_that_are_dropped_are_sent_whole_or_not_at_all() {
    on_ring(async |random| check_dropped(random, |_| true).await);
}

// The break is the same, in the drop of `WriteAllZeroCopy`.
#[test]
fn writes_without_a_copy_that_are_dropped_are_sent_whole_or_not_at_all() {
    on_ring(async |random| check_dropped(random, |random| random.once_in(3)).await);
}

// The break is a dropped write that is cancelled (`OnDrop::Cancel` in the drop of `Write`).
#[test]
fn a_write_that_has_begun_and_could_not_send_a_byte_yet_is_sent() {
    on_ring(async |_| {
        let (stream, client) = narrow_pair().await;
        let mut messages = 0;
        loop {
            // One byte is sent whole or not at all.
            let write = stream.write_all(vec![messages as u8]);
            messages += 1;
            if time::timeout(Duration::from_millis(5), write).await.is_err() {
                break;
            }
        }
        time::sleep(Duration::from_millis(2)).await;
        let reading = peer(move || read_to_end(&client));
        stream.write_all("end").await.into_result().unwrap();
        drop(stream);
        let mut received = joined(reading).await;
        assert_eq!(received.split_off(received.len() - 3), b"end");
        assert_eq!(received.len(), messages);
        assert!(received.iter().enumerate().all(|(at, byte)| *byte == at as u8));
    });
}

#[test]
fn a_write_that_waits_for_its_turn_and_is_dropped_is_not_sent() {
    on_ring(async |_| {
        let (stream, mut client) = pair().await;
        let stream = std::rc::Rc::new(stream);
        let first = std::rc::Rc::clone(&stream);
        let first = spawn(async move { first.write_all(vec![1; 8 << 20]).await.into_result().map(drop) });
        uring::yield_now().await;
        assert!(time::timeout(Duration::from_millis(2), stream.write_all(vec![2; 10])).await.is_err());
        let last = spawn(async move { stream.write_all(vec![3; 10]).await.into_result().map(drop) });
        let reading = peer(move || {
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).unwrap();
            bytes
        });
        first.await.unwrap().unwrap();
        last.await.unwrap().unwrap();
        let bytes = joined(reading).await;
        assert_eq!(bytes.len(), (8 << 20) + 10);
        assert!(!bytes.contains(&2));
        assert_eq!(bytes[8 << 20..], [3; 10]);
    });
}
