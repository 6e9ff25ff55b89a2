import { chmod, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import packageJson from '../../package.json' with { type: 'json' };
import { alias, assertRulesInUse, plugins } from './slim.ts';

/** `npm run build`: bundles the daemon and its dependencies into one file that Node.js runs without node_modules. */

const [lowest = ''] = packageJson.engines.node.match(/\d+/) ?? [];

// The check of the Node.js version must be the first statement: on an older Node.js a dependency would throw before
// it.
const checkNode = `if (Number.parseInt(process.versions.node) < ${lowest}) {
  console.error('terraform-daemon needs Node.js ${lowest} or later; this is ' + process.version + '. After npm ci there is one: npx node dist/terraform-daemon.js');
  process.exit(2);
}`;

// CommonJS dependencies call `require`, which an ES module does not define.
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
await chmod('dist/terraform-daemon.js', 0o755);
// The SBOM is made from this list of the bundled files.
await writeFile('dist/metafile.json', JSON.stringify(metafile));
