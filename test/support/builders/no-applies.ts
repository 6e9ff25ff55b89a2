import type { ReadApplies } from '../../../src/commands/applies/report.ts';

/** What `applies` reads in a cluster without failed and running Jobs, by a user with all rights. */
export const noApplies: ReadApplies = {
  namespace: undefined,
  applies: [],
  configurations: [],
  arePodsRefused: false,
  areConfigurationsRefused: false,
  hidden: [],
  isEveryJobKnown: true,
};
