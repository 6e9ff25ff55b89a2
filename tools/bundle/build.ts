import { chmod, readFile, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { readArguments } from '../arguments.ts';
import { LOWEST_NODE } from './node-versions.ts';
import { alias, assertRulesInUse, plugins } from './slim.ts';

readArguments(`npm run build

Bundles the daemon and its dependencies into one file that Node.js runs without node_modules.`);

const { major, minor } = LOWEST_NODE;

// The check of the Node.js version must be the first statement: on an older Node.js a dependency would throw before
// it. Node.js 14 and older do not parse the bundle.
const checkNode = `const [nodeMajor, nodeMinor] = process.versions.node.split('.').map(Number);
if (nodeMajor < ${major} || (nodeMajor === ${major} && nodeMinor < ${minor}) || nodeMajor === 23) {
  console.error('terraform-daemon needs Node.js ${major}.${minor} or later, except 23; this is ' + process.version + '. In a checkout, run it with npx node.');
  process.exit(2);
}`;

// CommonJS dependencies call `require`, which an ES module does not define.
const require = `import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);`;

const outfile = 'dist/terraform-daemon.js';

const { metafile } = await build({
  entryPoints: ['src/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: `node${major}.${minor}`,
  banner: { js: `${require}\n${checkNode}` },
  legalComments: 'none',
  // The package debug loads supports-color only if it is installed. The image does not have it, so the bundle must not
  // contain it.
  external: ['supports-color'],
  alias,
  plugins,
  minifyWhitespace: true,
  // Identifiers are not minified, so that a stack trace in the log stays readable.
  minifySyntax: true,
  logLevel: 'warning',
  metafile: true,
});

assertRulesInUse(metafile);
// Node.js keeps the source of the bundle in memory: one byte for each character if all are ASCII, two bytes otherwise.
// esbuild escapes the other characters, except in regular expressions and in tagged templates.
const [, other] = /(.{0,40}[^\0-\x7f])/.exec(await readFile(outfile, 'utf8')) ?? [];
if (other !== undefined) throw new Error(`${outfile}: not ASCII, which doubles its memory: ${other}`);
await chmod(outfile, 0o755);
// The SBOM is made from this list of the bundled files.
await writeFile('dist/metafile.json', JSON.stringify(metafile));
