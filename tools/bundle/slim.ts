import { builtinModules, createRequire } from 'node:module';
import type { Plugin, PluginBuild } from 'esbuild';

/** Packages whose files do nothing but define: what nobody asks for can be left out. They do not say so themselves. */
const DEFINES_ONLY = /\/node_modules\/(?:@kubernetes\/client-node|zod)\//;

const absent = `() => { throw new Error('left out of the bundle: see tools/bundle/slim.ts'); }`;

/** What nothing here calls, and what stands in its place. Whoever comes to call it is told. */
const LEFT_OUT: readonly { readonly file: RegExp; readonly contents: string }[] = [
  // Express' readers of bodies, with all encodings that a browser may send: the endpoint has its own.
  { file: /\/node_modules\/body-parser\/index\.js$/, contents: '' },
  // Names of thousands of content types, and a reader of query strings: the endpoint has one type, and no query.
  {
    file: /\/node_modules\/mime-types\/index\.js$/,
    contents: `exports.lookup = exports.contentType = exports.charset = exports.extension = ${absent};`,
  },
  { file: /\/node_modules\/qs\/lib\/index\.js$/, contents: `exports.parse = exports.stringify = ${absent};` },
  // winston's talk about itself, in colours.
  { file: /\/node_modules\/@dabh\/diagnostics\/node\/index\.js$/, contents: 'module.exports = () => () => {};' },
  // What undici has beside fetch and its agents.
  {
    file: /\/node_modules\/undici\/lib\/(?:mock|interceptor|cache|web\/(?:cookies|websocket|eventsource))\/.*\.js$/,
    contents: '',
  },
  // Its HTTP/2, which is not offered to any API server (docs/adr/0014).
  { file: /\/node_modules\/undici\/lib\/dispatcher\/client-h2\.js$/, contents: `module.exports = ${absent};` },
  // What forge has beside keys and certificates.
  { file: /\/node_modules\/node-forge\/lib\/(?:tls|aesCipherSuites|ssh|kem|pkcs7|log|ed25519)\.js$/, contents: '' },
  // The spans that prom-client would give to exemplars, which nobody asks it for.
  { file: /\/node_modules\/@opentelemetry\/api\/.*\.[cm]?js$/, contents: '' },
  // zod's messages in fifty languages.
  { file: /\/node_modules\/zod\/v4\/locales\/index\.js$/, contents: "export { default as en } from './en.js';" },
];

/** What few starts come to use, packages and files of ours: it is loaded when something of it is. */
const LATER = ['yaml', 'socks', 'socks-proxy-agent', './schema.ts'];

/** Keeps out of the bundle what the daemon never runs, and out of its start what it seldom does. */
export const slim: Plugin = {
  name: 'slim',
  setup(build) {
    leaveOutUnused(build);
    loadLater(build);
    takeBuiltinsAsTheyAre(build);
  },
};

function leaveOutUnused(build: PluginBuild): void {
  build.onResolve({ filter: /^(?:\.|@kubernetes\/client-node$|zod)/ }, async (args) => {
    if (args.pluginData === slim || args.kind !== 'import-statement') return undefined;
    const { path: _path, ...options } = args;
    const found = await build.resolve(args.path, { ...options, pluginData: slim });
    return DEFINES_ONLY.test(found.path) ? { ...found, sideEffects: false } : undefined;
  });
  for (const { file, contents } of LEFT_OUT) {
    build.onLoad({ filter: file }, ({ path }) => ({ contents, resolveDir: path.replace(/\/[^/]*$/, '') }));
  }
}

function loadLater(build: PluginBuild): void {
  for (const name of LATER) {
    const filter = new RegExp(`^${name.replaceAll('.', '\\.')}$`);
    build.onResolve({ filter }, ({ kind, resolveDir }) =>
      kind === 'import-statement' ? { path: name, namespace: 'later', pluginData: resolveDir } : undefined,
    );
    build.onLoad({ filter, namespace: 'later' }, async ({ pluginData }) => {
      const exported = Object.keys(createRequire(`${pluginData}/`)(name)).filter((field) => field !== 'default');
      const getters = exported.map((field) => `get ${field}() { return require('${name}').${field}; }`);
      return { contents: `module.exports = { ${getters.join(', ')} };`, resolveDir: pluginData };
    });
  }
}

/**
 * An import of `node:http` and of `node:crypto` asks for each of their exports, some of which Node.js only then loads: a
 * tenth of the start. Here those are asked for that are used.
 */
function takeBuiltinsAsTheyAre(build: PluginBuild): void {
  const isBuiltin = new Set(builtinModules);
  build.onResolve({ filter: /^[a-z_:/0-9]+$/ }, ({ path, kind, namespace }) => {
    const name = path.replace(/^node:/, '');
    const isOurs = isBuiltin.has(name) && kind === 'import-statement' && namespace !== 'builtin';
    return isOurs ? { path: name, namespace: 'builtin', sideEffects: false } : undefined;
  });
  build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => {
    const exported = Object.keys(process.getBuiltinModule(`node:${path}`) ?? {}).filter((name) =>
      /^[a-z]\w*$/i.test(name),
    );
    // Pure, so that what nobody imports is left out.
    const lines = exported.map((name) => `const _${name} = /* @__PURE__ */ (() => all.${name})();`);
    const names = exported.map((name) => `_${name} as ${name}`);
    return {
      contents: [
        `const all = /* @__PURE__ */ process.getBuiltinModule('node:${path}');`,
        ...lines,
        `export { all as default, ${names.join(', ')} };`,
      ].join('\n'),
    };
  });
}
