import { mkdir, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import packageJson from '../../package.json' with { type: 'json' };
import { eagerFiles, markFiles } from './eager.ts';
import { slim } from './slim.ts';

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

const { metafile, outputFiles } = await build({
  entryPoints: ['src/main.ts'],
  outfile: 'dist/terraform-daemon.js',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: `node${lowest}`,
  banner: { js: `${require}\n${checkNode}` },
  legalComments: 'none',
  plugins: [slim, markFiles],
  write: false,
  minifyWhitespace: true,
  // Names stay: a stack trace in the log is to be readable.
  minifySyntax: true,
  logLevel: 'warning',
  metafile: true,
});

await mkdir('dist', { recursive: true });
for (const { path, text } of outputFiles) await writeFile(path, eagerFiles(text), { mode: 0o755 });
// What is in the bundle, for the SBOM.
await writeFile('dist/metafile.json', JSON.stringify(metafile));
