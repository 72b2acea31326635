"""What people in the made-up network write about: themes, ways of working and places, each in several words."""

THEMES = """
Stroke: stroke unit; aphasia; thrombolysis; hemiparesis
Dementia: dementia; Alzheimer's; young onset dementia; wandering at night
Falls and frailty: falls; frailty score; strength and balance classes; hip fracture
Diabetes: type 2 diabetes; insulin start; glucose monitoring; hypoglycaemia
Heart failure: heart failure; natriuretic peptide; ejection fraction; cardiac rehabilitation
COPD: COPD; pulmonary rehabilitation; breathlessness; spirometry
Asthma: asthma; peak flow; biologics for severe asthma; preventer inhalers
Kidney disease: chronic kidney disease; transplant list; albuminuria; conservative kidney care
Cancer survivorship: cancer survivorship; late effects; follow-up after cancer; cancer related fatigue
Palliative care: palliative care; end of life; syringe driver; bereavement
Chronic pain: chronic pain; opioid tapering; neuropathic pain; fibromyalgia
Arthritis: osteoarthritis; knee replacement; rheumatoid arthritis; inflammatory markers
Back pain: sciatica; spinal triage; lumbar imaging; return to work with back pain
Depression: depression; antidepressants; low mood; postnatal depression
Anxiety: anxiety; panic attacks; worry; social anxiety
Psychosis: psychosis; early intervention in psychosis; hearing voices; depot injections
Eating disorders: eating disorders; anorexia; bulimia; refeeding; binge eating
Autism: autism; autistic adults; autism diagnosis wait; reasonable adjustments; masking
Learning disability: learning disability; annual health check; easy read; positive behaviour support
Substance use: substance use; opioid substitution; alcohol detoxification; naloxone
Homelessness: homelessness; street medicine; hospital discharge without a home; rough sleepers
Perinatal care: perinatal care; midwife continuity; breastfeeding; induction of labour
Child health: child health; health visitor; growth faltering; bed wetting
Neonatal care: neonatal care; preterm babies; kangaroo care; neonatal transport; retinopathy of prematurity
Immunisation: immunisation; HPV catch-up; vaccine hesitancy; measles outbreak; cold chain
Antibiotics: antibiotic stewardship; penicillin allergy; sore throat prescribing; delayed prescriptions
Infection control: infection control; hand hygiene; isolation rooms; catheter infections
Wound care: wound care; leg ulcer; compression bandaging; lymphoedema
Nutrition: nutrition; dietitian; tube feeding; texture modified food
Obesity: obesity; bariatric surgery; semaglutide; weight stigma
Smoking: smoking cessation; vaping; smoking in pregnancy; stop smoking advisers
Oral health: oral health; mouth care; dentures; fluoride varnish
Eye care: eye care; glaucoma monitoring; macular degeneration; cataract pathway
Hearing: hearing loss; tinnitus; cochlear implant; deaf awareness
Epilepsy: epilepsy; valproate; sudden death in epilepsy; ketogenic diet
Multiple sclerosis: multiple sclerosis; spasticity; disease modifying treatment; bladder in multiple sclerosis
Parkinson's: Parkinson's; levodopa on time; tremor; dyskinesia; freezing of gait
Brain injury: concussion; post-traumatic amnesia; vocational rehabilitation; executive function
Spinal injury: autonomic dysreflexia; wheelchair seating; neurogenic bowel; pressure mapping
Long COVID: long COVID; post-viral fatigue; pacing; brain fog
Sepsis: sepsis; sepsis six; lactate; blood cultures
Critical care: critical care; delirium in intensive care; ventilator weaning; intensive care follow-up
Surgery recovery: enhanced recovery; prehabilitation; day case surgery; theatre checklist
Emergency care: emergency department; ambulance handover; same day emergency care; crowding
Sickle cell: sickle cell; haemoglobinopathy; vaso-occlusive crisis; thalassaemia
HIV: HIV; pre-exposure prophylaxis; partner notification; HIV stigma
Hepatitis: hepatitis C; hepatitis B; liver fibrosis scan; cirrhosis
Rare disease: rare disease; genetic counselling; whole genome sequencing; undiagnosed children
Continence: continence; pelvic floor; catheter removal; continence products
Sleep: insomnia; sleep apnoea; sleep hygiene; melatonin in children
Carers: unpaid carers; respite; young carers; caring at a distance
Loneliness: loneliness; befriending; men's sheds; community connectors
Migrant health: migrant health; interpreters; asylum seekers; torture survivors
Prison health: prison health; custody nurse; older prisoners; self-harm in custody
Veterans: veterans; armed forces covenant; combat trauma; veterans' housing
Climate and health: climate and health; inhaler propellants; anaesthetic gases; greener theatres
Staff wellbeing: burnout; Schwartz rounds; moral distress; rest spaces
Medicines safety: anticoagulants; polypharmacy; deprescribing; insulin errors
Genomics in clinics: pharmacogenomics; cascade testing; familial hypercholesterolaemia; variants of uncertain significance
Rural health: rural practice; remote islands; air ambulance; dispensing practice
""".strip()

WAYS = """
Quality improvement: quality improvement; run charts; driver diagram; collaborative
Patient involvement: patient involvement; co-design; lived experience; payment for involvement
Research: research; randomised trial; cohort study; ethics approval; feasibility study
Evaluation: outcome measures; audit; dashboard; logic model
Digital tools: digital tools; video consultation; app; electronic record; text reminders
Data: routine data; registry; linked data; benchmarking
Teaching: teaching; simulation training; journal club; student placement
Workforce: workforce; skill mix; recruitment; rota; preceptorship
Commissioning: commissioning; business case; tender; funding model
Group clinics: group clinics; shared appointments; peer support; group sessions
Self-management: self-management; health coaching; goal setting; patient activation
Screening: screening; case finding; call and recall; uptake
Guidelines: guideline; consensus statement; pathway; protocol
Housing and money: benefits advice; fuel poverty; housing officer; debt
Exercise: exercise; walking group; physiotherapy; gym referral
Art and nature: art on prescription; choir; gardening; dance
Volunteers: volunteers; charity partnership; trustees; volunteer drivers
Leadership: leadership; coaching for leaders; board rounds; culture
Equality: equality; health literacy; anti-racism; translated leaflets
Safety: incident review; human factors; learning from deaths; duty of candour
Home visits: home visits; hospital at home; virtual ward; district nursing
Care homes: care homes; residents; care home staff; activities coordinator
Schools: schools; pupils; teachers; school meals
Hospitals: acute hospital; wards; outpatients; discharge lounge
General practice: general practice; practice nurse; reception staff; primary care network
""".strip()

PURPOSES = {
    "request": (
        "Advice wanted", "Examples wanted", "Who has experience", "Looking for partners", "Evidence wanted", "Question",
        "How do you do it", "Can anyone help",
    ),
    "event": ("Webinar", "Conference", "Workshop", "Study day", "Open meeting"),
    "opportunity": ("Call for proposals", "Small grants", "Fellowship", "Award"),
    "job": ("Vacancy", "Secondment", "Post"),
    "resource": ("New guide", "Toolkit", "Report", "Evidence summary", "Case study"),
    "news": ("News", "Good news", "Update", "Results"),
    "survey": ("Survey", "Questionnaire"),
}  # fmt: skip
"""How the title of each kind of item begins."""

SENTENCES = {
    "request": (
        "We are planning a new service and want to learn from others before we write anything down.",
        "Please send what you have, failures welcome, and say whom to talk to.",
        "Two of us could visit, or a half-hour call would do.",
        "Has anybody solved this with few staff and no new money?",
    ),
    "event": (
        "Free of charge, with time for questions; a recording follows.",
        "Speakers from four countries, then work in small groups.",
        "Places are limited; a waiting list is kept.",
    ),
    "opportunity": (
        "Up to twenty thousand a year for teams that have not been funded before.",
        "Applications take two pages; drafts are read in advance.",
    ),
    "job": (
        "Full time or part time, with supervision and a budget for courses.",
        "Informal visits are welcome; interviews next month.",
    ),
    "resource": (
        "Free to use and to change; it took three years and many hands.",
        "It has a one-page summary, the methods and all tables.",
    ),
    "news": (
        "After a year the team looks back on what worked and what did not.",
        "The annual figures are out, and they moved in the right direction.",
    ),
    "survey": (
        "Ten minutes, anonymous; results come back to this network.",
        "Answers from people who have never worked with this count as much.",
    ),
}

ODDITIES = (
    "The office in {} moves to {}, and letters go there from now on.",
    "Somebody left a blue folder in {}; ask {} for it.",
    "A hall in {} is to let on Saturdays; {} has the keys.",
    "Does anybody remember how {} came to be called {}?",
    "A coach goes from {} to {} and has twelve seats left.",
    "Two chairs and a printer from {} can be fetched in {}.",
    "There is a new car park behind {}, opposite {}.",
    "The archive of {} was given to {}, with all its minutes.",
)
FRAMES = (
    "Colleagues from {} and {} have been at it since last autumn.",
    "Write to {} or ring the office in {} before noon.",
    "It began in {}, was copied in {}, and nobody wants to go back.",
    "Our thanks go to {}, and to the steering group that met in {}.",
    "{} will answer what {} cannot.",
    "The figures are from {}; those of {} come later.",
    "Part of it was paid for by the {} fund, part by {}.",
    "A first draft went round in {} and came back from {} with many remarks.",
)
"""Sentences with two names in them, as posts are full of names that say nothing of what they are about."""
SYLLABLES = (
    "Bren Cald Dun Fen Gar Hol Kel Lan Mar Nor Pen Ros Tar Ul Wen Yar Ash Bel Cor Dal",
    "a e i o u ar en il or und ack ell ing ow est",
    "by den dale ford ham leigh low mere mouth ness ridge stead thorpe ton vale wick worth combe firth gate",
)

PROFESSIONS = (
    "Nurse", "Physiotherapist", "Occupational therapist", "Doctor", "Pharmacist", "Psychologist", "Dietitian",
    "Speech and language therapist", "Social worker", "Researcher", "Manager", "Patient leader",
)  # fmt: skip
REGIONS = (
    "North", "South", "East", "West", "Islands", "Capital",
)  # fmt: skip
ORGANISATIONS = ("Hospital", "General practice", "University", "Charity", "Care home", "Public health", "Government")
POSTERS = 60
