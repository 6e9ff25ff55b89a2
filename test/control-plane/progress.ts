/**
 * Takes one line about long work.
 *
 * @param passing the next line replaces this one: a terminal may rewrite it, a log may leave it out.
 */
export type Progress = (line: string, passing?: boolean) => void;

const SPARSE_MS = 20_000; // a build of six minutes leaves about 20 lines in a log

/** Shows progress on stderr: one line that rewrites itself on a terminal, now and then a plain line elsewhere. */
export function stderrProgress(): Progress {
  return process.stderr.isTTY ? rewriteOneLine() : printSparsely();
}

function rewriteOneLine(): Progress {
  return (line, passing = false) => {
    // A passing line that wraps could not be erased. Some terminals say that they are 0 columns wide.
    const shown = passing ? line.slice(0, (process.stderr.columns || 80) - 1) : `${line}\n`;
    process.stderr.write(`\r\x1b[2K${shown}`);
  };
}

function printSparsely(): Progress {
  let printedAt = 0;
  return (line, passing = false) => {
    if (passing && performance.now() - printedAt < SPARSE_MS) return;
    printedAt = performance.now();
    process.stderr.write(`${line}\n`);
  };
}
