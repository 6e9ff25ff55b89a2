import { fstatSync, writeSync } from 'node:fs';

/** The destination of log lines. */
export interface LineSink {
  /** Throws when the line cannot be written. */
  write(line: string): void;
  /** Returns the number of buffered bytes that the reader has not read yet. */
  waitingBytes(): number;
}

/** Buffer limit while standard output is not drained; further lines are dropped. */
export const MOST_WAITING_BYTES = 2 ** 20;

/**
 * Returns a function that writes log lines and does not throw. It drops lines if the disk is full, or if the reader has
 * stopped and the buffer is full.
 *
 * @param onLost called with the number of dropped lines, after the next line was written.
 */
export function createLogOutput(sink: LineSink, onLost: (lines: number) => void): (line: string) => void {
  let lostLines = 0;
  return (line) => {
    const lost = lostLines;
    lostLines += 1;
    if (sink.waitingBytes() > MOST_WAITING_BYTES) return;
    try {
      // Start with a line break, because the sink may have written a part of the last dropped line.
      sink.write(lost > 0 ? `\n${line}` : line);
    } catch {
      return;
    }
    lostLines = 0;
    if (lost > 0) onLost(lost);
  };
}

const STDOUT = 1;

/**
 * Returns the sink that writes to standard output. If standard output is a file or a device such as /dev/null, the sink
 * does not use the Node.js stream: a stream that has failed on a full disk does not recover when the disk has space
 * again.
 */
export function standardOutput(): LineSink {
  const { stdout } = process;
  const kind = fstatSync(STDOUT);
  if (kind.isFile() || (kind.isCharacterDevice() && !stdout.isTTY)) {
    return { write: (line) => void writeSync(STDOUT, line), waitingBytes: () => 0 };
  }
  return inBatches({ write: (lines) => void stdout.write(lines), waitingBytes: () => stdout.writableLength });
}

/**
 * Returns a sink that joins the lines of one turn of the event loop to one write, because the write is the most
 * expensive part of a log line. When the process exits, the sink writes the remaining lines.
 */
export function inBatches(sink: LineSink): LineSink {
  let batch = '';
  const flush = (): void => {
    const lines = batch;
    batch = '';
    if (lines !== '') sink.write(lines);
  };
  process.once('exit', flush);
  return {
    write(line) {
      if (batch === '') setImmediate(flush);
      batch += line;
    },
    waitingBytes: () => sink.waitingBytes() + batch.length,
  };
}
