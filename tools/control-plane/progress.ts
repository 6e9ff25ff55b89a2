/**
 * Takes one line about long work.
 *
 * @param passing the next line replaces this one: a terminal may rewrite it, a log may leave it out.
 */
export type Progress = (line: string, passing?: boolean) => void;

const SPARSE_MS = 20_000; // a build of six minutes leaves about 20 lines in a log

/** Shows progress on stderr, where it is not in the way of what a program prints. */
export const stderrProgress = (): Progress => progressOn(process.stderr);

/** One line that rewrites itself on a terminal, now and then a plain line elsewhere. */
export const progressOn = (stream: NodeJS.WriteStream): Progress =>
  stream.isTTY ? rewriteOneLine(stream) : printSparsely(stream);

function rewriteOneLine(stream: NodeJS.WriteStream): Progress {
  return (line, passing = false) => {
    // A passing line that wraps could not be erased. Some terminals say that they are 0 columns wide.
    const shown = passing ? line.slice(0, (stream.columns || 80) - 1) : `${line}\n`;
    stream.write(`\r\x1b[2K${shown}`);
  };
}

function printSparsely(stream: NodeJS.WriteStream): Progress {
  let printedAt = Number.NEGATIVE_INFINITY;
  return (line, passing = false) => {
    if (passing && performance.now() - printedAt < SPARSE_MS) return;
    printedAt = performance.now();
    stream.write(`${line}\n`);
  };
}
