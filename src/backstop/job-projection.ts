import { OPT_OUT_ANNOTATION } from '../policy/policy.ts';
import { isObject, type JsonObject } from '../webhook/review.ts';

/** All that a judgement reads of a Job that can be read as one, and nothing else: Jobs that wait are kept like this. */
export function outlineOf({ metadata, spec, status }: JsonObject): JsonObject {
  const { annotations, ...rest } = pick(metadata, METADATA);
  const { template, backoffLimit } = pick(spec, ['template', 'backoffLimit']);
  const { containers, ...podSpec } = pick(pick(template, ['spec']).spec, POD_SPEC);
  return {
    metadata: { ...rest, annotations: pick(annotations, [OPT_OUT_ANNOTATION]) },
    spec: { backoffLimit, template: { spec: { ...podSpec, containers: pickEach(containers, ['name']) } } },
    status: { conditions: pickEach(pick(status, ['conditions']).conditions, CONDITION) },
  };
}

const IDENTITY = ['namespace', 'name', 'uid', 'resourceVersion'];
const TIMES = ['generation', 'creationTimestamp', 'deletionTimestamp'];
const METADATA = [...IDENTITY, ...TIMES, 'generateName', 'labels', 'annotations'];
const POD_SPEC = ['serviceAccountName', 'restartPolicy', 'containers'];
const CONDITION = ['type', 'status', 'reason', 'lastTransitionTime'];

const pick = (object: unknown, fields: readonly string[]): JsonObject =>
  isObject(object) ? Object.fromEntries(Object.entries(object).filter(([field]) => fields.includes(field))) : {};

const pickEach = (list: unknown, fields: readonly string[]): JsonObject[] =>
  Array.isArray(list) ? list.map((item) => pick(item, fields)) : [];
