const MOST = 3;

/** Returns the names that contain the wanted name or differ from it in few letters. The nearest name is the first. */
export function nearNames(wanted: string, names: readonly string[]): readonly string[] {
  const rows = names.map((name) => ({ name, distance: distanceOf(wanted, name) }));
  const isNear = ({ name, distance }: (typeof rows)[number]) =>
    name.includes(wanted) || wanted.includes(name) || distance <= Math.max(1, wanted.length / 3);
  return rows
    .filter(isNear)
    .toSorted((one, other) => one.distance - other.distance)
    .slice(0, MOST)
    .map(({ name }) => name);
}

/** Returns the Levenshtein distance: the letters to add, remove or replace. */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...one].entries()) {
    const next = [index + 1];
    for (const [at, otherLetter] of [...other].entries()) {
      const replaced = (row[at] ?? 0) + (letter === otherLetter ? 0 : 1);
      next.push(Math.min(replaced, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
