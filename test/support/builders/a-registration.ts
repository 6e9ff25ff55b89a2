import type { V1MutatingWebhook } from '@kubernetes/client-node';
import { readConfig } from '../../../src/cli/config.ts';
import type { Pem } from '../../../src/lib/pem.ts';
import type { RegistrationOptions } from '../../../src/registration/desired.ts';

/** Returns the options of a daemon without flags, with `fields` replaced. */
export const registrationOptions = (fields: Partial<RegistrationOptions> = {}): RegistrationOptions => ({
  ...readConfig({}).registration,
  ...fields,
});

/** Returns a webhook entry of another owner, with all fields that the API server sets by default. */
export const foreignEntry = (): V1MutatingWebhook => ({
  name: 'somebody.else.example.com',
  admissionReviewVersions: ['v1'],
  clientConfig: { url: 'https://somebody.else.example.com/mutate' },
  rules: [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['deployments'], scope: '*' }],
  failurePolicy: 'Ignore',
  matchPolicy: 'Equivalent',
  namespaceSelector: {},
  objectSelector: {},
  reinvocationPolicy: 'Never',
  sideEffects: 'None',
  timeoutSeconds: 3,
});

/** Returns a placeholder for a CA bundle that no code parses. */
export const aBundle = (name: string): Pem =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(name).toString('base64')}\n-----END CERTIFICATE-----\n` as Pem;
