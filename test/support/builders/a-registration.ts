import type { V1MutatingWebhook } from '@kubernetes/client-node';
import { readConfig } from '../../../src/cli/config.ts';
import type { Pem } from '../../../src/lib/pem.ts';
import type { RegistrationOptions } from '../../../src/registration/desired.ts';

/** Those of a daemon without any option, but for the fields that a test is about. */
export const registrationOptions = (fields: Partial<RegistrationOptions> = {}): RegistrationOptions => ({
  ...readConfig({}).registration,
  ...fields,
});

/** An entry that somebody else put into the same object, with every field that the API server would fill in. */
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

/** A CA bundle for tests in which nobody looks into it. */
export const aBundle = (name: string): Pem =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(name).toString('base64')}\n-----END CERTIFICATE-----\n` as Pem;
