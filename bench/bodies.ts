import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recorded } from '../test/support/builders/fixtures.ts';

/**
 * The names of the request bodies. `create`, `update` and `plain` are recorded AdmissionReviews. `large` is the
 * recorded `create` review, enlarged to about 1 MiB.
 */
export const bodyNames = ['create', 'update', 'large', 'plain'] as const;
export type BodyName = (typeof bodyNames)[number];

export const bodyTexts: Readonly<Record<BodyName, string>> = {
  create: "CREATE of terraform-controller's Job",
  update: "UPDATE of terraform-controller's Job",
  large: "CREATE of terraform-controller's Job with 1 MiB",
  plain: 'CREATE of a plain Job',
};

const MIB = 1024 * 1024;

const reviews = (): Readonly<Record<BodyName, unknown>> => {
  const { review: create } = recorded('create-terraform-apply');
  const large = structuredClone(create);
  const [container] = large.request.object.spec.template.spec.containers;
  container.env = Array.from({ length: MIB / 256 }, (_, nth) => ({ name: `VARIABLE_${nth}`, value: 'x'.repeat(220) }));
  const update = structuredClone(recorded('update-terraform-apply-annotate').review);
  // While a stored Job has a Pod, the endpoint does not lower its limit.
  update.request.oldObject.status = {};
  return {
    create,
    update,
    large,
    plain: recorded('create-plain-job').review,
  };
};

/** Returns the bodies as compact JSON, the form that an API server sends. */
export const bodies = (): Readonly<Record<BodyName, string>> =>
  Object.fromEntries(Object.entries(reviews()).map(([name, review]) => [name, JSON.stringify(review)])) as Record<
    BodyName,
    string
  >;

export async function writeBodies(folder: string): Promise<Readonly<Record<BodyName, string>>> {
  const written = Object.entries(bodies()).map(async ([name, text]) => {
    const file = join(folder, `${name}.json`);
    await writeFile(file, text);
    return [name, file];
  });
  return Object.fromEntries(await Promise.all(written));
}
