import { fstatSync, writeSync } from 'node:fs';

/** Where lines go. */
export interface LineSink {
  /** Throws where the line cannot be written. */
  write(line: string): void;
  /** Bytes that were given to it and that nobody has taken yet. */
  waitingBytes(): number;
}

/** So much waits in memory where nobody reads. What comes then is lost. */
export const MOST_WAITING_BYTES = 2 ** 20;

/** Takes a line. Never throws. */
export type LogOutput = (line: string) => void;

/**
 * An output for lines that never fails and never holds more than it may: a full disk, or a reader that stands still, costs
 * lines of the log and nothing else.
 *
 * @param lost told how many lines were lost, once the next one was written.
 */
export function createLogOutput(sink: LineSink, lost: (lines: number) => void): LogOutput {
  let lostLines = 0;
  return (line) => {
    if (sink.waitingBytes() > MOST_WAITING_BYTES || !isWritten(sink, lostLines > 0 ? `\n${line}` : line)) {
      lostLines += 1;
      return;
    }
    const lines = lostLines;
    lostLines = 0;
    if (lines > 0) lost(lines);
  };
}

function isWritten(sink: LineSink, line: string): boolean {
  try {
    sink.write(line);
    return true;
  } catch {
    return false;
  }
}

const STDOUT = 1;

/**
 * Standard output. Where that is a file it is written to directly: a stream of Node.js that has met a full disk once does
 * not go on when there is room again.
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
 * One write for the lines of one turn of the event loop, as a write costs more than all else about a line. What waits
 * is written when the process ends.
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
