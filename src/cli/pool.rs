//! Many jobs on some threads, the results in the order of the jobs.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// Room for exploring deep scenarios.
const STACK: usize = 64 << 20;

/// Does `work` on every item, on one thread for each of the `states`, and hands the results to
/// `done` in the order of the items, each as soon as those before it are there. Stops early if
/// `done` fails.
///
/// # Errors
/// That of `done`, or a thread that cannot be started.
pub fn each<S: Send, T: Sync, R: Send, E: From<io::Error>>(
    states: Vec<S>,
    items: &[T],
    work: impl Fn(&mut S, &T) -> R + Sync,
    mut done: impl FnMut(usize, R) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        let mut failed = None;
        for mut state in states {
            let (send, next, stop, work) = (send.clone(), &next, &stop, &work);
            let run = move || {
                while !stop.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    if send.send((at, work(&mut state, item))).is_err() {
                        break;
                    }
                }
            };
            if let Err(error) = std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, run)
            {
                failed = Some(E::from(error));
                break;
            }
        }
        drop(send);
        if let Some(error) = failed {
            stop.store(true, Ordering::Relaxed);
            return Err(error);
        }
        let mut waiting = BTreeMap::new();
        let mut expected = 0;
        while let Ok((at, result)) = receive.recv() {
            waiting.insert(at, result);
            while let Some(result) = waiting.remove(&expected) {
                if let Err(error) = done(expected, result) {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
                expected += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let items: Vec<usize> = (0..200).collect();
        let mut seen = Vec::new();
        let done = |at: usize, result: usize| -> io::Result<()> {
            assert_eq!(result, at * 2);
            seen.push(at);
            Ok(())
        };
        each(vec![(); 4], &items, |(), n| n * 2, done).expect("nothing fails");
        assert_eq!(seen, items);
    }

    #[test]
    fn a_failure_stops_the_rest() {
        let items = [0; 50];
        let done = |at: usize, _: ()| match at {
            3 => Err(io::Error::other("enough")),
            _ => Ok(()),
        };
        assert!(each(vec![(); 2], &items, |(), _| (), done).is_err());
    }
}
