import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ensureTool } from '../control-plane/binaries.ts';

/**
 * `npm run prose`: checks the comments and the documents against the words in styles/Plain. A word that is out is an
 * error; a long sentence is a warning. Arguments go to Vale, for example `--output=line`.
 */

const root = join(import.meta.dirname, '..', '..');
const PLACES = ['src', 'test', 'tools', 'bench', 'docs', 'README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'];

const config = `--config=${join(import.meta.dirname, 'vale.ini')}`;
const vale = spawn(await ensureTool('vale'), [config, '--glob=*.{md,ts}', ...process.argv.slice(2), ...PLACES], {
  cwd: root,
  stdio: 'inherit',
});
const [code] = await once(vale, 'close');
process.exitCode = code ?? 1;
