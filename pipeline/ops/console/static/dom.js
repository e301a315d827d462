// Elements from data, and changing what is there without losing focus, scroll position or selection.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("a", {href: "#x"}, "text", child, …)`; null and false children are left out. */
export function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same in SVG. */
export function s(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== false && child !== undefined));
  return element;
}

/** Makes `target`'s content that of `children`, changing only what differs; elements with the same `data-key` are kept. */
export function show(target, ...children) {
  const focused = target.contains(document.activeElement) ? document.activeElement : null;
  const draft = document.createDocumentFragment();
  draft.append(...children.flat(9).filter((child) => child !== null && child !== false && child !== undefined));
  morph(target, draft);
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true }); // it was moved
}

function morph(target, draft) {
  const keyed = new Map();
  for (const child of target.children) if (child.dataset.key) keyed.set(child.dataset.key, child);
  let at = target.firstChild;
  for (const wanted of [...draft.childNodes]) {
    const key = wanted.dataset?.key;
    const kept = key ? keyed.get(key) : at && !at.dataset?.key && alike(at, wanted) ? at : null;
    if (!kept || !alike(kept, wanted)) {
      target.insertBefore(wanted, at);
      continue;
    }
    if (kept === at) at = at.nextSibling;
    else target.insertBefore(kept, at);
    if (key) keyed.delete(key);
    update(kept, wanted);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName;
}

function update(kept, wanted) {
  if (kept.nodeType === Node.TEXT_NODE) {
    if (kept.data !== wanted.data) kept.data = wanted.data;
    return;
  }
  for (const { name, value } of wanted.attributes) if (kept.getAttribute(name) !== value) kept.setAttribute(name, value);
  for (const { name } of [...kept.attributes]) if (!wanted.hasAttribute(name)) kept.removeAttribute(name);
  morph(kept, wanted);
}
