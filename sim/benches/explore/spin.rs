//! The one-pipe family in Promela, for SPIN.
//!
//! The same states and the same steps: a call, or the part of it after a wake-up, is one `d_step`.
//! A process that is over stays where it is, so that SPIN has no states for its end. Where nothing
//! can come any more a monitor notes the outcome in a table outside the state: one more state each,
//! which is taken off again.

use crate::family::Shape;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io};

/// What SPIN found, and the time it took.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub outcomes: usize,
    pub states: usize,
    pub prepare: Duration,
    pub run: Duration,
}

/// Why SPIN cannot be used here, if it cannot.
pub fn missing() -> Option<String> {
    for (tool, arg) in [("spin", "-V"), ("gcc", "--version")] {
        let there = Command::new(tool)
            .arg(arg)
            .output()
            .is_ok_and(|o| o.status.success());
        if !there {
            return Some(format!("`{tool}` is not installed"));
        }
    }
    None
}

/// Generates, compiles and runs the verifier. Its partial-order reduction saves nothing where all
/// processes share one pipe, and costs time; it is off.
pub fn run(shape: Shape, runs: usize) -> io::Result<Found> {
    let dir = std::env::temp_dir().join(format!("lockstep-spin-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let result = run_in(&dir, shape, runs);
    fs::remove_dir_all(&dir)?;
    result
}

fn run_in(dir: &Path, shape: Shape, runs: usize) -> io::Result<Found> {
    fs::write(dir.join("model.pml"), promela(shape))?;
    let begin = Instant::now();
    // -o2: without it variables that only the monitor reads are dropped from the state.
    command(dir, "spin", &["-a", "-o2", "model.pml"])?;
    let flags = ["-O2", "-DSAFETY", "-DNOREDUCE", "-DMEMLIM=8192"];
    command(dir, "gcc", &[&flags[..], &["-o", "pan", "pan.c"]].concat())?;
    let prepare = begin.elapsed();
    let mut best = Duration::MAX;
    let mut text = String::new();
    for _ in 0..runs {
        let begin = Instant::now();
        text = command(dir, "./pan", &["-E", "-n", "-m1000000", "-w22"])?;
        best = best.min(begin.elapsed());
    }
    let number = |label: &str| {
        let line = text.lines().find(|l| l.contains(label))?;
        line.split_whitespace().next()?.parse::<usize>().ok()
    };
    let (outcomes, ended, stored) = (
        number("distinct outcomes"),
        number("final states"),
        number("states, stored"),
    );
    match (outcomes, ended, stored) {
        (Some(outcomes), Some(ended), Some(stored)) if !text.contains("max search depth") => {
            Ok(Found {
                outcomes,
                // Without the one before the processes are started, and those of the monitor.
                states: stored - ended - 1,
                prepare,
                run: best,
            })
        }
        _ => Err(io::Error::other(format!("pan said: {text}"))),
    }
}

fn command(dir: &Path, tool: &str, args: &[&str]) -> io::Result<String> {
    let output = Command::new(tool).args(args).current_dir(dir).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{tool}: {text}{errors}")))
}

fn promela(shape: Shape) -> String {
    let Shape {
        writers,
        writes,
        readers,
        reads,
        closes,
        observed,
    } = shape;
    let closing = usize::from(closes);
    let mut text = format!(
        "\
#define W {writers}
#define N {writes}
#define R {readers}
#define M {reads}
#define P (W+R)
#define CLOSES {closing}

byte buf[W*N]; byte size; byte off;  /* the bytes, and those read from their slot before */
byte queue[R]; byte queued;         /* sleeping readers, in order of arrival */
byte woken[R];
byte nr = P; byte nw = P;           /* descriptors of the two descriptions */
byte state[P];                      /* 0 runs, 1 sleeps, 2 exited, 3 killed by SIGPIPE */
{}

c_decl {{
\\#include <stdlib.h>
\\#include <string.h>
static unsigned char (*lt_seen)[64]; static size_t lt_size, lt_used, lt_final;
static void lt_report(void) {{
  printf(\"%lu distinct outcomes\\n%lu final states\\n\", (unsigned long)lt_used, (unsigned long)lt_final);
}}
static void lt_note(const unsigned char *key) {{
  size_t i, j; unsigned long h;
  lt_final++;
  if (!lt_seen) {{ lt_size = 1 << 12; lt_seen = calloc(lt_size, 64); atexit(lt_report); }}
  if (2 * lt_used >= lt_size) {{
    unsigned char (*old)[64] = lt_seen; size_t size = lt_size;
    lt_size *= 2; lt_seen = calloc(lt_size, 64);
    for (i = 0; i < size; i++) if (old[i][63]) {{
      for (h = 5381, j = 0; j < 64; j++) h = h * 33 ^ old[i][j];
      while (lt_seen[h % lt_size][63]) h++;
      memcpy(lt_seen[h % lt_size], old[i], 64);
    }}
    free(old);
  }}
  for (h = 5381, j = 0; j < 64; j++) h = h * 33 ^ key[j];
  while (lt_seen[h % lt_size][63]) {{
    if (!memcmp(lt_seen[h % lt_size], key, 64)) return;
    h++;
  }}
  memcpy(lt_seen[h % lt_size], key, 64); lt_used++;
}}
}}

inline wake_one() {{
  if
  :: queued > 0 ->
     woken[queue[0]] = 1;
     queued--;
     i = 0;
     do :: i < queued -> queue[i] = queue[i+1]; i++ :: else -> break od;
     queue[queued] = 0; i = 0
  :: else -> skip
  fi
}}
inline wake_all() {{
  do :: queued > 0 -> queued--; woken[queue[queued]] = 1; queue[queued] = 0 :: else -> break od
}}
inline drop_read() {{ nr--; if :: nr == 0 && nw > 0 -> wake_all() :: else -> skip fi }}
inline drop_write() {{ nw--; if :: nw == 0 && nr > 0 -> wake_all() :: else -> skip fi }}
inline take(result) {{
  result = buf[0];
  size--; off++;
  i = 0;
  do :: i < size -> buf[i] = buf[i+1]; i++ :: else -> break od;
  buf[size] = 0; i = 0;
  if :: size == 0 -> off = 0 :: else -> skip fi
}}
",
        if observed {
            "byte got[R*M];                      /* what each read gave: a byte, or 255 at the end of file */"
        } else {
            "hidden byte x;"
        }
    );
    let reads_to = if observed {
        "got[me*M+(n-CLOSES)]"
    } else {
        "x"
    };
    write!(
        text,
        "
proctype writer(byte me) {{
  byte n; byte i;
  end_w: do
  :: d_step {{ state[me] == 0 && CLOSES && n == 0 -> drop_read(); n++ }}
  :: d_step {{ state[me] == 0 && n >= CLOSES && n < N + CLOSES ->
       if
       :: nr == 0 -> state[me] = 3; n = 0;
          if :: !CLOSES -> drop_read() :: else -> skip fi; drop_write()
       :: else ->
          buf[size] = 1 + me * N + (n - CLOSES); size++; n++;
          if :: size == 1 -> wake_one() :: else -> skip fi
       fi
     }}
  :: d_step {{ state[me] == 0 && n == N + CLOSES -> state[me] = 2; n = 0;
       if :: !CLOSES -> drop_read() :: else -> skip fi; drop_write() }}
  od
}}
proctype reader(byte me) {{
  byte n; byte i;
  end_r: do
  :: d_step {{ state[W+me] == 0 && CLOSES && n == 0 -> drop_write(); n++ }}
  :: d_step {{ state[W+me] == 0 && n >= CLOSES && n < M + CLOSES ->
       if
       :: size > 0 -> take({reads_to}); n++
       :: size == 0 && nw == 0 -> {reads_to} = 255; n++
       :: else -> state[W+me] = 1; queue[queued] = me; queued++
       fi
     }}
  :: d_step {{ state[W+me] == 1 && woken[me] ->
       woken[me] = 0;
       if
       :: size > 0 -> take({reads_to}); n++; state[W+me] = 0;
          if :: size > 0 -> wake_one() :: else -> skip fi
       :: size == 0 && nw == 0 -> {reads_to} = 255; n++; state[W+me] = 0
       :: else -> queue[queued] = me; queued++
       fi
     }}
  :: d_step {{ state[W+me] == 0 && n == M + CLOSES -> state[W+me] = 2; n = 0;
       drop_read(); if :: !CLOSES -> drop_write() :: else -> skip fi }}
  od
}}
active proctype monitor() {{
  d_step {{ timeout -> c_code {{
    unsigned char key[64] = {{0}};
    int k;
    for (k = 0; k < {processes}; k++) key[k] = now.state[k];
    {copy}
    key[63] = 1;
    lt_note(key);
  }} }};
  end_m: false
}}
init {{
  atomic {{
    {start}
  }};
  end_i: false
}}
",
        processes = writers + readers,
        copy = if observed {
            format!(
                "for (k = 0; k < {}; k++) key[{} + k] = now.got[k];",
                readers * reads,
                writers + readers
            )
        } else {
            String::new()
        },
        start = (0..writers)
            .map(|p| format!("run writer({p});"))
            .chain((0..readers).map(|p| format!("run reader({p});")))
            .collect::<Vec<_>>()
            .join(" "),
    )
    .expect("a string grows");
    text
}
