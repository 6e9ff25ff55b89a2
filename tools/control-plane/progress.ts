/**
 * Receives one line of progress.
 *
 * @param passing whether the next line replaces this line on a terminal. Elsewhere a passing line can be left out.
 */
export type Progress = (line: string, passing?: boolean) => void;

// Minimum time between two temporary progress lines if the output is not a terminal. A build of six minutes writes
// about 20 lines.
const SPARSE_MS = 20_000;

/** Returns a function that writes progress to stderr, so that stdout has only the output of the program. */
export const stderrProgress = (): Progress => progressOn(process.stderr);

/**
 * Returns a function that writes progress lines. On a terminal, the next line replaces a temporary line (`passing`). On
 * another output, at most one temporary line in 20 seconds is written.
 */
export const progressOn = (stream: NodeJS.WriteStream): Progress =>
  stream.isTTY ? rewriteOneLine(stream) : printSparsely(stream);

function rewriteOneLine(stream: NodeJS.WriteStream): Progress {
  return (line, passing = false) => {
    // A rewritten line must not wrap, because a wrapped line cannot be erased. Some terminals report 0 columns.
    const shown = passing ? line.slice(0, (stream.columns || 80) - 1) : `${line}\n`;
    stream.write(`\r\x1b[2K${shown}`);
  };
}

function printSparsely(stream: NodeJS.WriteStream): Progress {
  let printedAt = Number.NEGATIVE_INFINITY;
  return (line, passing = false) => {
    if (passing) {
      if (performance.now() - printedAt < SPARSE_MS) return;
      printedAt = performance.now();
    }
    stream.write(`${line}\n`);
  };
}
