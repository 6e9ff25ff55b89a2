import type { Plugin } from 'esbuild';

/** Packages whose files do nothing but define: what nobody asks for can be left out. They do not say so themselves. */
const DEFINES_ONLY = /\/node_modules\/(?:@kubernetes\/client-node|zod)\//;

/** What nothing here calls, and what stands in its place. */
const LEFT_OUT: readonly { readonly file: RegExp; readonly contents: string }[] = [
  // Express' readers of bodies, with all encodings that a browser may send: the endpoint has its own.
  { file: /\/node_modules\/body-parser\/index\.js$/, contents: '' },
  // zod's messages in fifty languages.
  { file: /\/node_modules\/zod\/v4\/locales\/index\.js$/, contents: "export { default as en } from './en.js';" },
];

/** Keeps out of the bundle what the daemon never runs: two thirds of it. */
export const slim: Plugin = {
  name: 'slim',
  setup(build) {
    build.onResolve({ filter: /^(?:\.|@kubernetes\/client-node$|zod)/ }, async (args) => {
      if (args.pluginData === slim || args.kind !== 'import-statement') return undefined;
      const { path: _path, ...options } = args;
      const found = await build.resolve(args.path, { ...options, pluginData: slim });
      return DEFINES_ONLY.test(found.path) ? { ...found, sideEffects: false } : undefined;
    });
    for (const { file, contents } of LEFT_OUT) {
      build.onLoad({ filter: file }, ({ path }) => ({ contents, resolveDir: path.replace(/\/[^/]*$/, '') }));
    }
  },
};
