'use strict';
(() => {
	const byID = (id) => document.getElementById(id);
	const controls = byID('controls'), bar = byID('bar'), play = byID('play'), speed = byID('speed'), now = byID('now');
	const rows = [...document.querySelectorAll('#rows > li')];
	if (rows.length === 0) return;
	const longest = Number(controls.dataset.longest);
	let shown = rows.length, timer = 0, playing = false;

	const given = Number(controls.dataset.speed);
	let chosen = [...speed.options].find((o) => Number(o.value) === given);
	if (!chosen) {
		chosen = new Option(given + '×', String(given));
		speed.add(chosen);
	}
	chosen.selected = true;

	// show shows the first n entries. Only those between the old place and the new one change.
	const show = (n) => {
		rows[shown - 1]?.classList.remove('now');
		for (let i = Math.min(n, shown); i < Math.max(n, shown); i++) rows[i].hidden = i >= n;
		shown = n;
		bar.value = String(n);
		const row = rows[n - 1];
		const text = row ? row.querySelector('.when').textContent : 'before the first entry';
		now.textContent = n + ' of ' + rows.length + ': ' + text;
		bar.setAttribute('aria-valuetext', now.textContent);
		row?.classList.add('now');
		row?.scrollIntoView({block: 'nearest'});
	};
	const pause = () => {
		clearTimeout(timer);
		playing = false;
		play.textContent = 'Play';
	};
	const wait = () => {
		if (shown === 0) return 0;
		const from = Number(rows[shown - 1].dataset.at), to = Number(rows[shown].dataset.at);
		return from && to ? Math.min(Math.max((to - from) / Number(speed.value), 0), longest) : 0;
	};
	const next = () => {
		clearTimeout(timer);
		if (shown >= rows.length) {
			pause();
			return;
		}
		timer = setTimeout(() => {
			show(shown + 1);
			next();
		}, wait());
	};
	play.addEventListener('click', () => {
		if (playing) {
			pause();
			return;
		}
		if (shown >= rows.length) show(0);
		playing = true;
		play.textContent = 'Pause';
		next();
	});
	byID('step').addEventListener('click', () => {
		pause();
		show(shown >= rows.length ? 1 : shown + 1);
	});
	speed.addEventListener('change', () => {
		if (playing) next();
	});
	bar.addEventListener('input', () => {
		pause();
		show(Number(bar.value));
	});
	controls.hidden = false;
	show(0);
})();
