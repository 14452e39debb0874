/** What the dashboard shows: the view stands in the path, the rest in the query of the page's address. */
export const VIEWS = ["all", "recent", "trash"] as const
export type View = (typeof VIEWS)[number]
export const TYPES = ["canvas", "note", "mixed"] as const
export type DiagramType = (typeof TYPES)[number]
export const SORTS = ["updated_at", "created_at", "title", "last_viewed_at", "size_bytes"] as const
export type Sort = (typeof SORTS)[number]

export type Filter = { view: View; q: string; type: DiagramType | null; tag: string; sort: Sort }

const PATHS: Record<View, string> = { all: "/", recent: "/recent", trash: "/trash" }

/** Recent ones come by when they were opened, unless the person chose another order. */
function usualSort(view: View): Sort {
  return view === "recent" ? "last_viewed_at" : "updated_at"
}

export function readFilter(path: string, query: string): Filter {
  const found = new URLSearchParams(query)
  const view = VIEWS.find((each) => PATHS[each] === path) ?? "all"
  return {
    view,
    q: found.get("q") ?? "",
    type: TYPES.find((each) => each === found.get("type")) ?? null,
    tag: found.get("tag") ?? "",
    sort: SORTS.find((each) => each === found.get("sort")) ?? usualSort(view),
  }
}

export function addressOf(filter: Filter): string {
  const query = new URLSearchParams()
  if (filter.q) query.set("q", filter.q)
  if (filter.type) query.set("type", filter.type)
  if (filter.tag) query.set("tag", filter.tag)
  if (filter.sort !== usualSort(filter.view)) query.set("sort", filter.sort)
  const text = query.toString()
  return text ? `${PATHS[filter.view]}?${text}` : PATHS[filter.view]
}

export function isNarrowed(filter: Filter): boolean {
  return filter.q !== "" || filter.type !== null || filter.tag !== ""
}
