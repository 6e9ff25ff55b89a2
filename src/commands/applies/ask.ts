import { createInterface } from 'node:readline';

export type Answer = 'yes' | 'no' | 'interrupted';

/** Asks on the terminal. Only the answer y or yes means yes. Ctrl-D means no. */
export function ask(question: string): Promise<Answer> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  return new Promise((resolve) => {
    const end = (answer: Answer) => {
      // After Ctrl-C and Ctrl-D the cursor is still behind the question.
      process.stdout.write('\n');
      resolve(answer);
    };
    terminal.once('SIGINT', () => {
      terminal.removeAllListeners('close');
      terminal.close();
      end('interrupted');
    });
    terminal.once('close', () => end('no'));
    terminal.question(`${question} [y/N] `, (answer) => {
      terminal.removeAllListeners('close');
      terminal.close();
      resolve(/^y(es)?$/i.test(answer.trim()) ? 'yes' : 'no');
    });
  });
}
