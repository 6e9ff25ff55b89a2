import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bounds } from './bounds.ts';
import type { Exploration } from './explorer.ts';
import type { Rule } from './rules.ts';

const root = join(import.meta.dirname, '../..');

/** Explores a copy of the source with the changes that take the rule out, in a process of its own. */
export async function exploreWithout({ bounds, changes }: Pick<Rule, 'bounds' | 'changes'>): Promise<Exploration> {
  const copy = await mkdtemp(join(tmpdir(), 'terraform-daemon-model-'));
  try {
    for (const part of ['src', 'test/model', 'test/support', 'tools/arguments.ts', 'package.json']) {
      await cp(join(root, part), join(copy, part), { recursive: true });
    }
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    for (const { file, find, replace } of changes) {
      const before = await readFile(join(copy, file), 'utf8');
      const after = before.replace(find, () => replace);
      if (after === before)
        throw new Error(`rules.ts: ${file} has no text ${JSON.stringify(find)}: change the rule with the source`);
      await writeFile(join(copy, file), after);
    }
    return await exploration(join(copy, 'test/model/main.ts'), bounds);
  } finally {
    await rm(copy, { recursive: true });
  }
}

/** Runs the program, which exits with code 1 if it finds a violation. */
async function exploration(program: string, bounds: Bounds): Promise<Exploration> {
  const run = promisify(execFile)(process.execPath, [program, '--bounds', JSON.stringify(bounds)]);
  const { stdout } = await run.catch((error) => (error.code === 1 && error.stdout ? error : Promise.reject(error)));
  return JSON.parse(stdout) as Exploration;
}
