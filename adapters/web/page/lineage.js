// Which pictures on the page came out of which. Either may come to the page first.

const families = new Map();

function family(id) {
  if (!families.has(id)) families.set(id, { children: new Map(), list: null });
  return families.get(id);
}

/** The list beneath a picture gets a thumb for each of its children. */
export function parent(id, list) {
  const own = family(id);
  own.list = list;
  for (const thumb of own.children.values()) show(own, thumb);
}

export function child(id, parentId, makeThumb) {
  const own = family(parentId);
  if (own.children.has(id)) return;
  const thumb = makeThumb();
  own.children.set(id, thumb);
  show(own, thumb);
}

export function gone(id, parentId) {
  family(id).list = null;
  if (!parentId) return;
  const { children, list } = family(parentId);
  children.get(id)?.remove();
  children.delete(id);
  if (list) list.hidden = children.size === 0;
}

export const forget = () => families.clear();

function show({ list }, thumb) {
  if (!list) return;
  list.append(thumb);
  list.hidden = false;
}
