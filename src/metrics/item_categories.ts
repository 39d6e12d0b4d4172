/** Groups of items by category, for metrics by category. */

export interface ItemCategories {
  /** Name of the item field, such as "genre". */
  readonly field: string;
  /** Names of the groups: the categories with the most clicks, then "other" for all other items. */
  readonly names: readonly string[];
  /** [I] bit k is set if item i is in group k. An item with several categories is in several groups. */
  readonly groups: Uint16Array;
}

export function listItemGroups({ names, groups }: ItemCategories, item: number): number[] {
  const own: number[] = [];
  for (let k = 0; k < names.length; k++) if (groups[item]! >> k & 1) own.push(k);
  return own;
}
