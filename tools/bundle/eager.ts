import { readFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';

/** Where a CommonJS file ends in the bundle. A call, as a comment would not be kept. */
const END = '__end_of_file__';

/**
 * Marks where each CommonJS file of a package ends, for `eagerFiles`. Comes after the plugins that replace files.
 */
export const markFiles: Plugin = {
  name: 'mark-files',
  setup({ onLoad }) {
    onLoad({ filter: /\/node_modules\/.*\.c?js$/ }, async ({ path }) => {
      const contents = await readFile(path, 'utf8');
      const isModule = /^(?:import|export)\b/m.test(contents);
      return isModule ? undefined : { contents: `${contents}\n${END}();` };
    });
  },
};

/**
 * Puts the function of each CommonJS file into parentheses. V8 then compiles it with the bundle, so that it is in the
 * compiled code that the image keeps; else it is compiled when the file is first needed, at every start.
 *
 * @see https://v8.dev/blog/preparser#pife
 */
export function eagerFiles(bundle: string): string {
  const file = new RegExp(
    `__commonJS\\(\\{("[^"]+")\\(([\\w$,]*)\\)\\{((?:(?!__commonJS\\(\\{)[\\s\\S])*?)${END}\\(\\);?\\}\\}\\)`,
    'g',
  );
  const eager = bundle
    .replace(file, (_all, path, parameters, body) => `__commonJS({${path}:(function(${parameters}){${body}})})`)
    .replaceAll(`${END}();`, '');
  if (eager.includes(END))
    throw new Error(`tools/bundle/eager.ts: ${END} is still in the bundle; has its form changed?`);
  return eager;
}
