import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ensureTool } from '../control-plane/binaries.ts';

/**
 * `npm run prose`: checks the words of comments and documents with Vale and the rules in styles/Plain. A forbidden word
 * is an error, and a long sentence is a warning. Arguments are passed to Vale, for example `--output=line`.
 */

const root = join(import.meta.dirname, '..', '..');
const PLACES = [
  'src',
  'test',
  'tools',
  'bench',
  'docs',
  'examples',
  '.github',
  'README.md',
  'CHANGELOG.md',
  'CODE_OF_CONDUCT.md',
  'CONTRIBUTING.md',
  'RELEASE.md',
  'SECURITY.md',
  'SUPPORT.md',
  'manifests/helm/README.md',
  'addon/terraform-daemon/README.md',
];

const config = `--config=${join(import.meta.dirname, 'vale.ini')}`;
const vale = spawn(await ensureTool('vale'), [config, '--glob=*.{md,ts}', ...process.argv.slice(2), ...PLACES], {
  cwd: root,
  stdio: 'inherit',
});
const [code] = await once(vale, 'close');
process.exitCode = code ?? 1;
