import { readFile } from 'node:fs/promises';
import type { V1Job } from '@kubernetes/client-node';

/**
 * Returns the Job of a recorded AdmissionReview as a client sends it: without fields that the API server sets, in the
 * given namespace.
 */
export async function recordedJob(file: string, namespace: string): Promise<V1Job> {
  const url = new URL(`../../fixtures/admission-reviews/${file}.json`, import.meta.url);
  const { request } = JSON.parse(await readFile(url, 'utf8'));
  const { metadata, spec, ...job } = request.object;
  const { name, generateName, annotations } = metadata;
  // The result has no selector and no labels of the Pod template, because the API server generates both for each Job.
  const { selector: _selector, manualSelector: _manualSelector, ...ownSpec } = spec;
  const { labels: _labels, ...templateMetadata } = ownSpec.template.metadata ?? {};
  return {
    apiVersion: job.apiVersion,
    kind: job.kind,
    metadata: { name, generateName, annotations, namespace },
    spec: { ...ownSpec, template: { ...ownSpec.template, metadata: templateMetadata } },
  };
}
