import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubernetesObject, V1ConfigMap, V1Deployment } from '@kubernetes/client-node';
import fc from 'fast-check';
import { parse } from 'yaml';
import { byName, chartObjects, optionsOf } from '../../tools/chart/helm.ts';
import { chartValues } from '../../tools/chart/values.ts';
import { filled, textsOf } from '../support/builders/chart-texts.ts';
import { escapedValue } from '../support/builders/distinguished-names.ts';

/** Texts that YAML 1.1 or 1.2 reads as another type, or that are invalid without quotes. */
// biome-ignore format: one for each line would be no clearer
const MISTAKABLE = [
  'true', 'yes', 'on', 'y', 'NO', 'null', '~', '123', '0', '010', '0x10', '0o10', '1e3', '1_000', '12.50', '.inf', '1.2.3',
  '12:30:45', '2020-01-01', '=', '<<', 'a: b', 'x # y', '- a', '[a]', '{a: b}', '*a', '&a', '!a', '%a', '@a', '`a', '"a', "'a",
  '{{ .Values.name }}', ' a ', 'a\nb\n',
];

/**
 * Returns a text that every field which accepts `text` also accepts. Some fields accept only capital letters, digits or
 * hexadecimal digits. The test renders the chart with this text as a marker.
 */
const markerFor = (text: string) => (/^[A-Z]+$/.test(text) ? 'QQ' : /^[\d_-]+$/.test(text) ? '70707' : 'fade');

/**
 * Chart values whose schema accepts none of the texts in MISTAKABLE, such as `true` or `0x10`. This test does not set
 * them.
 */
const NEVER_TRIED = [
  '.dnsPolicy',
  '.image.digest',
  '.image.pullPolicy',
  '.options.ca-lifetime',
  '.options.ca-subject',
  '.options.cert-lifetime',
  '.options.drain-time',
  '.options.failure-policy',
  '.options.heal',
  '.options.log-format',
  '.options.log-level',
  '.options.object-annotations',
  '.options.object-labels',
  '.options.settle-time',
  '.options.subject',
  '.options.tls-cipher-suites',
  '.options.tls-min-version',
  '.policy.namespaceSelector.matchExpressions.*.operator',
  '.policy.rules.*.set.restartPolicy',
  '.strategy.type',
  '.topologySpread.whenUnsatisfiable',
];

/**
 * Matches the texts of MISTAKABLE that `_checks.tpl` accepts as image.repository. The schema of the chart values
 * accepts more texts.
 */
const REPOSITORY = /^[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*$/;
const NAMESPACE = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const POLICY_FILE = 'policy.yaml';

/** Replaces the policy text in a ConfigMap by its parsed content, so that the quotes in it do not matter. */
function withPolicyRead(object: KubernetesObject): KubernetesObject {
  const { data } = object as V1ConfigMap;
  const text = data?.[POLICY_FILE];
  return text === undefined ? object : Object.assign(object, { data: { ...data, [POLICY_FILE]: parse(text) } });
}

function replaced(value: unknown, marker: string, text: string): unknown {
  if (typeof value === 'string') return value.replaceAll(marker, () => text);
  if (Array.isArray(value)) return value.map((item) => replaced(item, marker, text));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [replaced(name, marker, text), replaced(field, marker, text)]),
  );
}

describe('texts in chart values that YAML could read as another type', () => {
  const rendered = async (text: string, put = text) => {
    const values = filled(chartValues, { text, put }) as {
      readonly image?: { repository?: string };
      clientCa?: { configMapName?: string };
    };
    if (!REPOSITORY.test(text)) delete values.image?.repository;
    // The chart accepts the option client-name only with a client CA.
    values.clientCa = { configMapName: 'any', ...values.clientCa };
    const objects = await chartObjects({ values }, NAMESPACE.test(text) ? put : undefined);
    return byName(objects.map(withPolicyRead));
  };

  for (const text of MISTAKABLE) {
    it(`the chart renders the text ${JSON.stringify(text)} unchanged in each field that accepts it`, async () => {
      const marker = markerFor(text);
      assert.deepEqual(await rendered(text), replaced(await rendered(text, marker), marker, text));
    });
  }

  it('the chart leaves random texts unchanged in annotations and in the common name of the option subject', async () => {
    const anyText = fc.string({ unit: 'binary', maxLength: 12 });
    const anyTexts = fc.array(anyText, { minLength: 20, maxLength: 40 });
    const subject = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
    const isTaken = (text: string) => !/[\u0000-\u001f\u007f]/.test(text);
    await fc.assert(
      fc.asyncProperty(anyTexts, subject.filter(isTaken), async (texts, name) => {
        const annotations = Object.fromEntries(texts.map((text, index) => [`a-${index}`, text]));
        const options = { subject: `CN=${escapedValue(name)}` };
        const values = { podAnnotations: annotations, serviceAccount: { annotations }, options };
        const objects = byName(await chartObjects({ values }));
        const account = objects['ServiceAccount terraform-daemon']?.metadata?.annotations;
        const template = (objects['Deployment terraform-daemon'] as V1Deployment).spec?.template;
        const rendered = template?.metadata?.annotations ?? {};
        const others = Object.fromEntries(Object.entries(rendered).filter(([name]) => name.startsWith('a-')));
        assert.deepEqual([account, others], [annotations, annotations]);
        assert.deepEqual(optionsOf(template?.spec?.containers[0]), options);
      }),
      { numRuns: 30 },
    );
  });

  it('no marker text of this file occurs in the manifests by chance, without being put there', async () => {
    const objects = JSON.stringify(await rendered(' '));
    for (const marker of MISTAKABLE.map(markerFor)) assert.ok(!objects.includes(marker), marker);
  });
});

it('the list NEVER_TRIED has exactly the chart values that accept none of the texts that YAML could read as another type', () => {
  const isTried = ({ takes }: { readonly takes: (text: string) => boolean }) => MISTAKABLE.some(takes);
  const paths = textsOf(chartValues).filter((text) => !isTried(text));
  assert.deepEqual(paths.map(({ path }) => path).toSorted(), NEVER_TRIED);
});
