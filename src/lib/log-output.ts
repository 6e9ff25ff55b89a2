import { fstatSync, writeSync } from 'node:fs';

/** The destination of lines. */
export interface LineSink {
  /** Throws when the line cannot be written. */
  write(line: string): void;
  /** Returns the number of buffered bytes that the reader has not read yet. */
  waitingBytes(): number;
}

/** Buffer limit while standard output is not drained; further lines are dropped. */
export const MOST_WAITING_BYTES = 2 ** 20;

/**
 * Creates an output that does not throw and limits its buffer: if the disk is full or the reader has stopped, log lines
 * are dropped.
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
      // Start with a line break, because the sink can have written part of the last lost line.
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
 * Standard output. A file is written directly, because a stream of Node.js that has failed on a full disk does not recover when
 * there is room again.
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
 * Writes the lines of one turn of the event loop at once, because a write costs more than the rest of a line. The exit of the
 * process writes what is left.
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
