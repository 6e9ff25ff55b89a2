import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { repairCommands } from '../../../src/commands/kubectl-hints.ts';
import { commandRow } from '../../../src/commands/terminal.ts';
import { pasted } from '../../support/pasted.ts';

const names = {
  'ordinary names': 'terraform',
  'names of 253 characters': 'n'.repeat(253),
  'names with shell commands': 'x; echo PWNED; $(id) `id` #',
  'names with quotes': `it's "quoted" \\' and '' more`,
};

describe('the suggested repair commands', () => {
  for (const [what, name] of Object.entries(names)) {
    test(`suggested commands quote names for the shell: ${what}`, async () => {
      const commands = repairCommands({ namespace: name, secretName: name, ownerClusterRole: name });
      const service = { namespace: name, name, port: 443 };
      const expected = [
        [commands.restart, ['kubectl', '-n', name, 'rollout', 'restart', 'deployment', name]],
        [commands.logs, ['kubectl', '-n', name, 'logs', `deployment/${name}`]],
        [commands.askRights, ['kubectl', 'auth', 'can-i', 'get', `secrets/${name}`, '-n', name]],
        [commands.editRegistration(name), ['kubectl', 'edit', 'mutatingwebhookconfiguration', name]],
        [commands.portForward(service), ['kubectl', '-n', name, 'port-forward', `service/${name}`, '8443:443']],
        [commands.findPods, ['kubectl', 'get', 'pods', '-A', '-l', `app=${name}`]],
      ] as const;
      for (const [command, words] of expected) {
        for (const line of [command, commandRow(command)]) assert.deepEqual(await pasted(line), [words], line);
      }
    });
  }

  test('a suggested command with a line break in a name stays on one line', () => {
    const { restart } = repairCommands({ namespace: 'a\nverdict: healthy', secretName: 's', ownerClusterRole: 'd' });
    assert.equal(commandRow(restart), `${' '.repeat(15)}kubectl -n 'a verdict: healthy' rollout restart deployment d`);
  });
});
