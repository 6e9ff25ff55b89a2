import { PHASE, ROTATE } from '../../src/certs/secret-annotations.ts';
import type { Bounds, FaultKind } from './bounds.ts';
import { type Objects, sorted } from './replica.ts';
import type { State, States, Step } from './state.ts';
import { authorityOf, FOREIGN } from './symbols.ts';

const EMPTIED = '""';

/** Returns the functions for the steps of API servers, of users, and of other writers of the objects. */
export function createOutsideSteps(bounds: Bounds, states: States) {
  const { replicaAt, registrationOf, textOf, objectsOf, secretOf, withRegistration, written, may, fault } = states;

  function apiServerSteps(state: State): Step[] {
    const { versions, at } = registrationOf(state);
    const behind = [...new Set(at)].filter((index) => index < versions.length - 1);
    return behind.map((index) => ({
      label: `an API server loads ${nameOfVersion(versions[index + 1]?.bundle)}`,
      state: withRegistration(state, { versions, at: at.with(at.indexOf(index), index + 1) }),
    }));
  }

  function userSteps(state: State): Step[] {
    const ask = bounds.asks[state.asked];
    const secret = secretOf(state);
    if (ask === undefined || secret?.annotations[PHASE] !== 'stable' || secret.annotations[ROTATE]) return [];
    const annotations = sorted(Object.entries({ ...secret.annotations, [ROTATE]: ask }));
    const objects = { ...objectsOf(state), secret: JSON.stringify({ ...secret, annotations }) };
    return [
      { label: `a user sets rotate=${ask}`, state: { ...written(state, objects, true), asked: state.asked + 1 } },
    ];
  }

  /** One backup is taken in a history, at any moment. */
  function backupSteps(state: State): Step[] {
    if (!may(state, 'secret-restored') || textOf(state.backup) !== null || textOf(state.secret) === null) return [];
    return [{ label: 'a backup of the Secret is taken', state: { ...state, backup: state.secret } }];
  }

  /** Whether the Secret or the registration has the CA of each certificate that API servers must verify. */
  function keepsTrust(state: State): boolean {
    const { registration } = objectsOf(state);
    const left = `${secretOf(state)?.data['ca.crt']} ${registration}`;
    const called = state.replicas.map((_, index) => replicaAt(state, index)).filter((replica) => replica?.isCalled);
    return called.every((replica) => left.includes(authorityOf(replica?.presented ?? '')));
  }

  /** Steps of other writers of the Secret and of the registration. */
  function outsideSteps(state: State): Step[] {
    const { secret, registration } = objectsOf(state);
    const backup = textOf(state.backup);
    const hasBundle = registration !== null;
    const all: readonly [FaultKind, boolean, string, Partial<Objects>][] = [
      ['secret-deleted', secret !== null, 'the Secret is deleted', { secret: null }],
      [
        'secret-restored',
        backup !== null && backup !== secret,
        'a backup of the Secret is restored',
        { secret: backup },
      ],
      ['registration-deleted', hasBundle, 'the registration is deleted', { registration: null }],
      ['bundle-emptied', hasBundle && registration !== EMPTIED, 'the CA bundle is emptied', { registration: EMPTIED }],
      [
        'foreign-ca',
        hasBundle && !registration.includes(FOREIGN),
        'another writer adds a CA to the CA bundle',
        { registration: `${registration?.slice(0, -1)}${FOREIGN}"` },
      ],
    ];
    return all
      .filter(([kind, isPossible]) => isPossible && may(state, kind))
      .map(([kind, , label, changed]) => ({
        label,
        state: fault(written(state, { secret, registration, ...changed }, true), kind),
      }))
      .filter((step) => !bounds.exceptsDestruction || keepsTrust(step.state));
  }
  return { apiServerSteps, userSteps, backupSteps, outsideSteps };
}

const nameOfVersion = (bundle: string | null | undefined): string =>
  bundle === null || bundle === undefined
    ? 'that the registration is gone'
    : `the CA bundle ${bundle.slice(1, -1) || '(empty)'}`;
