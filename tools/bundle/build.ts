import { chmod, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import packageJson from '../../package.json' with { type: 'json' };
import { alias, assertRulesInUse, plugins } from './slim.ts';

/** `npm run build`: the daemon and all that it needs in one file, which plain `node` runs. */

const [lowest = ''] = packageJson.engines.node.match(/\d+/) ?? [];

// Comes before everything else: on an older Node.js a dependency would end it with a stack trace.
const checkNode = `if (Number.parseInt(process.versions.node) < ${lowest}) {
  console.error('terraform-daemon needs Node.js ${lowest} or later; this is ' + process.version + '. After npm ci there is one: npx node dist/terraform-daemon.js');
  process.exit(2);
}`;

// Some dependencies are CommonJS and call require, which an ES module does not have by itself.
const require = `import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);`;

const { metafile } = await build({
  entryPoints: ['src/main.ts'],
  outfile: 'dist/terraform-daemon.js',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: `node${lowest}`,
  banner: { js: `${require}\n${checkNode}` },
  legalComments: 'none',
  // debug loads it if it is installed. Here it is, for a development tool alone.
  external: ['supports-color'],
  alias,
  plugins,
  minifyWhitespace: true,
  // Names stay: a stack trace in the log is to be readable.
  minifySyntax: true,
  logLevel: 'warning',
  metafile: true,
});

assertRulesInUse(metafile);
await chmod('dist/terraform-daemon.js', 0o755);
// What is in the bundle, for the SBOM.
await writeFile('dist/metafile.json', JSON.stringify(metafile));
