"""What is asked of a page in its own language; each answers with plain texts."""

from __future__ import annotations

READ = """el => {
  const box = el.matches('input[type=checkbox], input[type=radio]') ? String(el.checked)
    : el.getAttribute('aria-checked');
  if (box !== null) return box;
  if (el.tagName === 'SELECT') return [...el.selectedOptions].map(o => o.label.trim()).join(', ');
  if ('value' in el && el.matches('input, textarea')) return el.value;
  const seen = (el.innerText || '').replace(/\\s+/g, ' ').trim();
  const meant = (el.textContent || '').replace(/\\s+/g, ' ').trim();
  return meant.toLowerCase() === seen.toLowerCase() ? meant : seen;
}"""
"""What a thing on a page tells. CSS may show it in capitals; then it is taken as it was written."""
KIND = "el => el.tagName === 'SELECT' ? 'select' : el.matches('input[type=checkbox], [role=switch]') ? 'box' : 'text'"
OPTIONS = "el => [...el.options || []].map(o => o.label.trim())"
VALUES = "els => els.map(e => e.value)"
ROWS = """rows => {
  const clean = t => (t || '').replace(/[\\uE000-\\uF8FF]/g, '').replace(/\\s+/g, ' ').trim();
  const told = el => {
    const seen = clean(el.innerText), meant = clean(el.textContent);
    const text = meant.toLowerCase() === seen.toLowerCase() ? meant : seen;
    const img = el.querySelector('img, [role=img], svg[aria-label], [title]');
    const box = el.querySelector('input[type=checkbox], [role=checkbox], [role=switch]');
    const link = el.querySelector('a[href]');
    return {
      text: text || (img && (img.getAttribute('alt') || img.getAttribute('aria-label') || img.getAttribute('title')))
        || (box ? String(box.checked ?? box.getAttribute('aria-checked')) : ''),
      attributes: Object.fromEntries([...[el, ...el.querySelectorAll('*')]].reverse()
        .flatMap(e => [...e.attributes].map(a => [a.name, a.value]))),
      href: link ? link.getAttribute('href') : null,
    };
  };
  const cells = 'td, th, [role=cell], [role=gridcell], [role=rowheader], [role=columnheader]';
  const heading = 'thead th, thead td, th[scope=col], [role=columnheader]';
  const own = row => [...row.querySelectorAll(cells)].filter(c => c.parentElement.closest('tr, [role=row]') === row);
  const heads = table => {
    const marked = [...table.querySelectorAll(heading)];
    const first = table.querySelector('tr');
    const found = marked.length || !first ? marked : [...first.querySelectorAll('th')];
    return found.map(h => [clean(h.innerText), clean(h.textContent)]);
  };
  return rows.map(row => {
    const table = row.closest('table, [role=table], [role=grid], [role=treegrid]');
    const found = own(row);
    return {
      heads: table ? heads(table) : [],
      cells: found.map(told),
      heading: found.length > 0 && found.every(c => c.matches(heading) || c.tagName === 'TH' && !c.scope),
    };
  });
}"""
"""Each row of a list with its cells and its table's headings, without the signs that fonts draw icons with."""
NAMES = """els => els.flatMap(el => {
  if (el.tagName === 'SELECT') return [...el.options].map(o => [o.label.trim(), o.selected]);
  if (el.matches('input[type=checkbox], input[type=radio]'))
    return el.checked ? [[((el.labels && el.labels[0] && el.labels[0].textContent) || el.getAttribute('aria-label')
      || el.value).trim(), true]] : [];
  return [[(el.innerText || '').replace(/\\s+/g, ' ').trim(), true]];
})"""
"""The names that things tell: options of a list, labels of checked boxes, texts."""
TAB = "() => ({origin: location.origin, items: Object.fromEntries(Object.entries(sessionStorage))})"
"""What the app keeps in the tab."""
RESTORE = """(tab => {
  if (location.origin === tab.origin && !sessionStorage.length)
    for (const [name, value] of Object.entries(tab.items)) sessionStorage.setItem(name, value);
})(TAB)"""
"""Puts it into another tab before the app's own scripts run. This one does change the page."""
