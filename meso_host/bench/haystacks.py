"""Long conversations that were written for the bench: many sessions, one of which has the answer.

Questions are of three ways, as people ask: in other words than the answer was given in, by a name
(`what did Ottokar ...`), and plainly, with some of the answer's words. Other sessions talk of the
same things without answering it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from meso_services.mind.themes import THEMES

# Values; what the answer says, `{}` being one; how it is asked for, twice in other words and last
# plainly; what others say of such things.
Kind = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]
KINDS: tuple[Kind, ...] = (
    (
        ("peanuts", "sesame", "shellfish", "hazelnuts"),
        ("My throat swells as soon as I eat {}, I carry an injector.",
         "One bite of {} and I end up in hospital, it runs in the family."),
        ("Which food must I avoid for medical reasons?", "What am I allergic to?",
         "What swells my throat when I eat it?"),
        ("The bakery sells almond croissants on Sundays.", "I could eat noodles every day.",
         "The hospital's canteen has a new cook."),
    ),
    (
        ("Lisbon", "Tromsø", "Kyoto", "Dubrovnik"),
        ("We got married in {} and only our parents were there.",
         "The ceremony was held in {}, in pouring rain, and I said yes anyway."),
        ("Where did my wedding take place?", "In which town did I become a husband?",
         "Where did we get married?"),
        ("A colleague moved abroad last summer.", "The weather ruined our picnic.",
         "My parents are visiting next weekend."),
    ),
    (
        ("cello", "oboe", "accordion", "harp"),
        ("Twenty years after school I took up the {} again, an hour each evening.",
         "The neighbours complain whenever I practise the {} after nine."),
        ("Which instrument do I play?", "With what do I make music at home?",
         "Which instrument did I take up again?"),
        ("The concert hall was sold out.", "Our neighbours have a loud dog.",
         "I listened to the radio the whole evening."),
    ),
    (
        ("a greyhound", "two parrots", "an old tortoise", "three hens"),
        ("Since my aunt died I look after {}, who needed a home.",
         "I share my kitchen with {} now and get no work done."),
        ("What animals do I keep?", "Do I have a pet, and which?",
         "Whom did I take over from my aunt, to live in my kitchen?"),
        ("The zoo is closed for repairs.", "My aunt wrote a long letter.",
         "The kitchen needs a new coat of paint."),
    ),
    (
        ("Tuesdays", "Fridays", "the first Monday of a month", "odd weeks"),
        ("Production must only be deployed on {}, the customers insisted.",
         "Releases go out on {} and at no other time, that was agreed."),
        ("When may we ship new versions to customers?", "On what days is a rollout allowed?",
         "On which days is production deployed, and when do releases go out?"),
        ("The customers liked the new colours.", "The meeting was moved to another day.",
         "Our build takes eleven minutes now."),
    ),
    (
        ("tabs", "four spaces", "the formatter's default", "two spaces"),
        ("Please indent everything with {}, I cannot read it otherwise.",
         "In this project lines are shifted in by {}, nothing else is merged."),
        ("How should source code be laid out at the left margin?",
         "Which whitespace convention do I want in programs?",
         "How should lines be indented?"),
        ("I cannot read the doctor's handwriting.", "The merge took the whole morning.",
         "We left a wide margin on the poster."),
    ),
    (
        ("1998", "2004", "1987", "2011"),
        ("I left university in {} with a degree nobody had heard of.",
         "My diploma says {}, though I handed the thesis in a year before."),
        ("When did I graduate?", "In which year did I finish my studies?",
         "When did I leave university, and what does my diploma say?"),
        ("The thesis of my student is late.", "A degree of frost is expected tonight.",
         "The library closes at eight."),
    ),
    (
        ("a nurse", "a locksmith", "a beekeeper", "a court interpreter"),
        ("My wife works as {} and her shifts change every week.",
         "She earns our living as {} while I write."),
        ("What is my spouse's profession?", "What does the woman I live with do for a job?",
         "What does my wife work as?"),
        ("The shift of the night watch begins at ten.", "Writing takes longer than I thought.",
         "Jobs are hard to find in the valley."),
    ),
    (
        ("Hetzner", "OVH", "a cupboard in the cellar", "the university"),
        ("All our machines are housed at {} since the fire.",
         "After the power cut we rented racks at {}."),
        ("Where are our servers hosted?", "Who runs the data centre that we use?",
         "Where are our machines housed, and where did we rent racks?"),
        ("The fire brigade practised in the yard.", "The cellar is damp in spring.",
         "Power will be cut on Thursday for repairs."),
    ),
    (
        ("7:40", "6:15", "8:05", "5:50"),
        ("The bus that gets me to the office leaves at {} sharp.",
         "If I miss the {} I am late at my desk."),
        ("At what time do I set out for my job in the morning?",
         "When does my commute begin?",
         "When does my bus to the office leave?"),
        ("The office has new desks.", "The bus driver sang on the way.",
         "I am always late for dinner."),
    ),
    (
        ("migraine", "hay fever", "a bad knee", "vertigo"),
        ("The specialist confirmed that it is {} and that it will not go away.",
         "I have lived with {} since I was twelve."),
        ("Which health problem do I suffer from?", "What is my chronic complaint?",
         "What did the specialist confirm when I was twelve?"),
        ("The specialist for the heating came late.", "Complaints are dealt with at the counter.",
         "I lived in the south when I was twelve."),
    ),
    (
        ("Esperanto", "Finnish", "Catalan", "Swahili"),
        ("I spend every lunch break on a course in {}, for no reason at all.",
         "My vocabulary in {} has reached a thousand words."),
        ("What language am I learning?", "Which foreign tongue do I study?",
         "Which course do I spend my lunch breaks on?"),
        ("The lunch was cold.", "She explained it in a thousand words.",
         "The course on welding is full."),
    ),
    (
        ("PostgreSQL", "SQLite", "DuckDB", "MariaDB"),
        ("For everything that must be stored we settled on {}, after long talks.",
         "The team voted, and records go into {} from now on."),
        ("Which database did we choose?", "What do we use for persistence?",
         "What did the team vote for to store our records in?"),
        ("The team went out for pizza.", "The vote in the village was close.",
         "Records are collected by my uncle."),
    ),
    (
        ("a rowing boat", "a camper van", "a tandem", "an allotment"),
        ("With the money from grandmother we bought {}.",
         "We spent our inheritance on {}, and never regretted it."),
        ("What did we purchase from the legacy?", "How was the bequest used?",
         "What did we buy with the money from grandmother?"),
        ("Grandmother's cake was the best.", "Money is short until spring.",
         "I regretted the long walk in new shoes."),
    ),
    (
        ("in the blue tin", "with the neighbour", "under the third flowerpot", "in the piano"),
        ("The spare key is {}, should I ever be locked out.",
         "I hid what opens the front door {}."),
        ("How do I get into my house if I lost what unlocks it?",
         "Where is the second key kept?",
         "Where is the spare key to the front door?"),
        ("The front of the house needs plaster.", "The flowers want water twice a day.",
         "The piano was tuned in May."),
    ),
    (
        ("black tea", "oat milk in coffee", "hot water with ginger", "cocoa"),
        ("Before anything else in the morning I need {}.",
         "I do not speak to anybody until I have had {}."),
        ("What do I drink when I get up?", "What is my favourite beverage at breakfast?",
         "What do I need in the morning before I speak to anybody?"),
        ("Breakfast is served until ten.", "The speech lasted for hours.",
         "The cows give less milk in winter."),
    ),
    (
        ("a lighthouse", "a stag beetle", "my daughter's name", "a compass rose"),
        ("There is {} inked on my left arm since the navy.",
         "The needle hurt, but I like {} on my skin."),
        ("What tattoo do I have?", "Which picture do I wear on my body for ever?",
         "What is inked on my skin since the navy?"),
        ("The navy's band played at the harbour.", "My needle broke while sewing.",
         "The sun burnt my arm."),
    ),
    (
        ("twelve", "forty", "eight", "one hundred"),
        ("No meeting may have more than {} people, or nobody says anything.",
         "Beyond {} participants I leave the room."),
        ("How large may a gathering be for me?", "What is the upper bound on attendees?",
         "How many people may a meeting have?"),
        ("The room smells of paint.", "The train was full of people.",
         "Nobody said anything about the bill."),
    ),
)  # fmt: skip
CHATTER = (
    "Could you shorten this paragraph for me?", "The printer jams whenever it rains.",
    "Let us go through the list once more.", "I will look at the numbers tomorrow.",
    "Remind me to water the plants.", "The second chapter is still too long.",
    "What is a good name for a boat?", "Explain to me how a heat pump works.",
    "The children want to build a tree house.", "We should compare the three offers.",
    "Translate this greeting into French, please.", "The recipe asks for too much salt.",
    "My bicycle makes a noise on the left side.", "Write a limerick about a snail.",
    "How long does paint need to dry?", "The invoice lacks a date.",
    "I read that octopuses dream.", "Sort these photographs by year.",
    "The heating is on although it is June.", "Plan a walk of about two hours.",
    "My sister asked about the holidays again.", "The chess club meets on the first floor.",
    "Draft an answer to the landlord.", "Is it cheaper to fly or to take the train?",
)  # fmt: skip
NAMES = (
         "Ottokar", "Jorunn", "Benedikta", "Wendelin", "Ilse", "Caspian", "Thurid", "Ewald",
         "Philippa", "Gunnar", "Xenia", "Leocadia", "Bartholomew", "Minna", "Rasmus", "Odile",
)  # fmt: skip
DOINGS = (
    ("said that the boiler needs {}", "a new valve", "advice did {} give about the heating"),
    ("promised to bring {} to the party", "the long table", "will {} contribute to the evening"),
    ("owes me {} since the trip", "forty francs", "debt does {} still have with me"),
    ("warned me of {} in the old mill", "loose boards", "danger did {} mention"),
    ("recommended {} for the roof", "larch shingles", "material does {} advise for the house"),
    ("was born in {}", "a caravan", "birthplace did {} tell me of"),
)
EXCHANGES = 8
WAYS = ("in other words", "by name", "plainly")


@dataclass(frozen=True, slots=True)
class Haystack:
    """`sessions`: their exchanges. The answer to `question` is in session `answer`."""

    sessions: tuple[tuple[str, ...], ...]
    question: str
    answer: int
    way: str


def haystack(seed: int, sessions: int = 60) -> Haystack:
    """The haystack with this number, always the same."""
    chance = random.Random(seed)  # noqa: S311 (text for a bench)
    answer = chance.randrange(sessions)
    way = WAYS[seed % len(WAYS)]
    talks = [_talk(chance) for _ in range(sessions)]
    if way == "by name":
        fact, question = _about_somebody(chance, talks, answer)
    else:
        values, statements, questions, _ = KINDS[seed // len(WAYS) % len(KINDS)]
        fact = chance.choice(statements).format(chance.choice(values))
        question = chance.choice(questions[:-1]) if way == "in other words" else questions[-1]
    talks[answer].insert(chance.randrange(EXCHANGES), fact)
    return Haystack(tuple(map(tuple, talks)), question, answer, way)


def _talk(chance: random.Random) -> list[str]:
    """A session's exchanges, each of two or three sentences on small things."""
    near = [line for kind in KINDS for line in kind[3]]
    pool = [*near, *CHATTER, *(line for lines in THEMES.values() for line in lines)]
    return [" ".join(chance.sample(pool, chance.choice((2, 3)))) for _ in range(EXCHANGES)]


def _about_somebody(chance: random.Random, talks: list[list[str]], answer: int) -> tuple[str, str]:
    """Others do the same things, and the one who is asked for does other things elsewhere."""
    who = chance.choice(NAMES)
    doing, what, asked = chance.choice(DOINGS)
    others = [name for name in NAMES if name != who]
    for name in chance.sample(others, 6):
        talk = talks[chance.choice([n for n in range(len(talks)) if n != answer])]
        talk.append(f"{name} {doing.format(what)}, I think.")
    for _ in range(3):
        other = chance.choice([one for one in DOINGS if one[0] != doing])
        talk = talks[chance.choice([n for n in range(len(talks)) if n != answer])]
        talk.append(f"{who} {other[0].format(other[1])}, by the way.")
    return f"{who} {doing.format(what)}.", f"What {asked.format(who)}?"
